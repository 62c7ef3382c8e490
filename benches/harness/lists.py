"""How long a page of a list takes as the catalogue grows: one connection, so that only the list itself counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .dataset import import_products, register_seller, write_shopify_csv
from .load import reads
from .servers import Failure, Server

SIZES = (10_000, 100_000, 1_000_000)
# Name, and its query; each of 20 products.
LISTS = {
    "newest": "",
    "one category": "category=category-07",
    "by price": "sort=price",
    "one category, by price": "category=category-07&sort=-price",
}
PAGES = 20


def walk(server: Server, query: str) -> list[str]:
    """The paths of the first pages of a list."""
    connection = server.connection()
    paths = [f"/api/v2/products?{query}"]
    while len(paths) < PAGES:
        connection.request("GET", paths[-1])
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Failure(f"{server.name} answered {answer.status} to GET {paths[-1]}: {text[:300]!r}")
        page = json.loads(text)
        if len(page["items"]) != 20 or page["next_cursor"] is None:
            raise Failure(f"{server.name} has no {PAGES} pages of {query or 'all products'}")
        paths.append(f"/api/v2/products?{query}&cursor={page['next_cursor']}")
    connection.close()
    return paths


def measure(
    start: Callable[[], Server],
    settle: Callable[[], None],
    binary: Path,
    scratch: Path,
    sizes: list[int],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, dict[int, float]]:
    """Median milliseconds of each list at each size of a store that grows from one to the next."""
    found: dict[str, dict[int, float]] = {name: {} for name in LISTS}
    imported = 0
    server = start()
    register_seller(server)
    for size in sizes:
        say(f"{server.name}: importing up to {size:,} products")
        file = scratch / "lists.csv"
        write_shopify_csv(file, size, after=imported)
        import_products(binary, server, file)
        imported = size
        settle()
        # Started anew, it has no statements that were planned for a smaller store; warm-up reads follow.
        server.stop()
        server = start()
        for name, query in LISTS.items():
            paths = scratch / "list-paths.txt"
            paths.write_text("".join(f"{path}\n" for path in walk(server, query)))
            ask = reads(server, 1, paths)
            ask(1, 0)
            medians = sorted(ask(seconds, number)["p50"] for number in range(1, rounds + 1))
            found[name][size] = medians[len(medians) // 2]
            say(f"{server.name}, {size:,} products, {name}: {found[name][size]:.3f} ms")
    server.stop()
    return found


def as_markdown(database: str, found: dict[str, dict[int, float]]) -> str:
    sizes = list(next(iter(found.values())))
    lines = [
        f"## Lists of 20 on {database}, p50 in ms (and by the first column's)",
        "",
        "| list | " + " | ".join(f"{size:,}" for size in sizes) + " |",
        "|---|" + "--:|" * len(sizes),
    ]
    for name, medians in found.items():
        cells = [f"{medians[size]:.3f} ({medians[size] / medians[sizes[0]]:.2f})" for size in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
