"""Holds of stock: everybody wants the same variant, beside holds that are spread over many."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from pathlib import Path

from .dataset import EMAIL, PASSWORD, register_seller
from .load import Contender, Contest, wrk
from .servers import Failure, Server

PRODUCTS, VARIANTS = 10, 100
"""Units of each variant: more than can be held."""
UNITS = 1_000_000_000
ADMIN = re.compile(rb"Admin \(health, metrics\) on http://127\.0\.0\.1:(\d+)")
HELD = "db_client_connection_use_time_seconds"


def ask(server: Server, method: str, path: str, token: str | None, body: dict) -> dict:
    connection = server.connection()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request(method, path, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status not in (200, 201):
        raise Failure(f"{server.name} answered {answer.status} to {method} {path}: {text[:300]!r}")
    return json.loads(text)


def use_of_connections(server: Server, pool: str) -> tuple[float, float]:
    """How often a connection (on SQLite, the writer) was used, and for how many seconds in all."""
    found = ADMIN.search(server.out.read_bytes())
    if not found:
        raise Failure(f"{server.name} did not tell where its metrics are")
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    value = lambda end: float(re.search(rf'^{HELD}_{end}{{[^}}]*"{pool}"}} (\S+)$', text, re.MULTILINE)[1])
    return value("count"), value("sum")


def measure(
    database: str,
    server: Server,
    scratch: Path,
    connections: int,
    rounds: int,
    seconds: float,
    warm_up: float,
    say: Callable[[str], None],
) -> str:
    """The figures as Markdown, on a started server with an empty store."""
    register_seller(server)
    token = ask(server, "POST", "/api/v2/sessions", None, {"email": EMAIL, "password": PASSWORD})["access_token"]
    variant = lambda size: {"options": {"Size": str(size)}, "price": {"amount": 1, "currency": "USD"}, "stock": UNITS}
    ids = []
    for number in range(PRODUCTS):
        product = {"name": f"Product {number}", "status": "active", "variants": [variant(n) for n in range(VARIANTS)]}
        ids += [one["id"] for one in ask(server, "POST", "/api/v2/products", token, product)["variants"]]
    pool = "products-writer" if database == "SQLite" else "products"

    def holds(name: str, variants: list[str]) -> Contender:
        file = scratch / f"{database}-{len(variants)}-variants.txt"
        file.write_text("".join(f"{one}\n" for one in variants))
        load = wrk(server, connections, ["hold"], {"PATHS": str(file), "TOKEN": token})

        def run(length: float, seed: int) -> dict:
            before = use_of_connections(server, pool)
            result = load(length, seed)
            uses, spent = (after - one for after, one in zip(use_of_connections(server, pool), before))
            return result | {"held_ms": spent / uses * 1e3, "group": result["requests"] / uses}

        return Contender(name, run)

    contenders = [holds("one variant", ids[:1]), holds(f"{len(ids):,} variants", ids)]
    contest = Contest(database, f"holds at {connections} connections", contenders)
    contest.compete(rounds, seconds, warm_up, say)
    lines = []
    for contender in contenders:
        if contender.errors():
            raise Failure(f"{contender.errors():,} holds of {contender.name} failed on {database}")
        rates, figure = contender.values("rate"), contender.median
        lines.append(
            f"| {database} | {contender.name} | {figure():,.0f} | {min(rates):,.0f} – {max(rates):,.0f} | "
            f"{figure('p50'):.1f} | {figure('p99'):.1f} | {figure('group'):.0f} | {figure('held_ms'):.2f} |"
        )
    return "\n".join(lines)


HEAD = (
    "| database | wanted | holds/s, median | lowest – highest | p50 ms | p99 ms | holds a transaction | ms that it takes |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)
