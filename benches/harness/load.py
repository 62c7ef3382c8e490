"""Load: wrk against a server, pgbench against the database, in rounds that take turns."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from .cluster import Cluster
from .servers import Failure, Server, clean_environment

SCRIPTS = Path(__file__).resolve().parent.parent / "load"
THREADS = 2


@dataclass
class Contender:
    """Something that is asked for as much as it can do: `run(seconds, seed)` is one measurement."""

    name: str
    run: Callable[[float, int], dict]
    rounds: list[dict] = field(default_factory=list)

    def values(self, key: str) -> list[float]:
        return [one[key] for one in self.rounds if one.get(key) is not None]

    def median(self, key: str = "rate") -> float | None:
        values = self.values(key)
        return median(values) if values else None

    def errors(self) -> int:
        return sum(one.get("refused", 0) + one.get("broken", 0) for one in self.rounds)


@dataclass
class Contest:
    """The same work done by several contenders on one database; the first is PrimeTrade, where it takes part."""

    database: str
    work: str
    contenders: list[Contender]
    before: Callable[[], None] = lambda: None

    def compete(self, rounds: int, seconds: float, warm_up: float, say: Callable[[str], None]) -> None:
        for contender in self.contenders:
            contender.run(warm_up, 0)
        for number in range(1, rounds + 1):
            for contender in self.contenders:
                self.before()
                time.sleep(0.3)
                contender.rounds.append(contender.run(seconds, number))
            rates = ", ".join(f"{c.name} {c.rounds[-1]['rate']:,.0f}" for c in self.contenders)
            say(f"{self.database}, {self.work}, round {number} of {rounds}: {rates}")

    def ratio(self, other: Contender) -> float | None:
        """PrimeTrade's rate by `other`'s: the median over rounds, each compared with its own neighbour in time."""
        first = self.contenders[0]
        if first is other or first.name != "PrimeTrade" or not first.rounds:
            return None
        return median(a["rate"] / b["rate"] for a, b in zip(first.rounds, other.rounds))


def wrk(server: Server, connections: int, arguments: list[str], environment: dict[str, str]):
    """A measurement of `server` by the script load/requests.lua."""

    def run(seconds: float, seed: int) -> dict:
        server.check_alive()
        done = subprocess.run(
            [
                "wrk", f"-t{min(THREADS, connections)}", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "10s",
                "-s", str(SCRIPTS / "requests.lua"), f"http://127.0.0.1:{server.port}", "--", *arguments,
            ],  # fmt: skip
            env=clean_environment(environment | {"SEED": str(seed)}),
            capture_output=True,
            text=True,
            timeout=seconds + 60,
        )
        server.check_alive()
        server.empty_log()
        found = re.search(r"^RESULT (\{.*\})$", done.stdout, re.MULTILINE)
        if not found:
            raise Failure(f"wrk gave no result for {server.name}:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        return json.loads(found[1])

    return run


def reads(server: Server, connections: int, paths: Path) -> Callable[[float, int], dict]:
    return wrk(server, connections, ["get"], {"PATHS": str(paths)})


def creates(server: Server, connections: int, path: str, token: str | None) -> Callable[[float, int], dict]:
    return wrk(server, connections, ["create", path], {"TOKEN": token} if token else {})


def pgbench_inserts(cluster: Cluster, database: str, clients: int) -> Callable[[float, int], dict]:
    """PostgreSQL's own limit: one prepared insert per transaction, over TCP as the servers do."""

    def run(seconds: float, seed: int) -> dict:
        done = subprocess.run(
            [
                str(cluster.binaries / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(THREADS),
                "-T", f"{seconds:.0f}", f"--random-seed={seed + 1}", "-f", str(SCRIPTS / "pgbench-insert.sql"),
                cluster.url(database),
            ],  # fmt: skip
            env=clean_environment({}),
            capture_output=True,
            text=True,
            timeout=seconds + 60,
        )
        rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
        if done.returncode != 0 or not rate:
            raise Failure(f"pgbench failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        return {"rate": float(rate[1])}

    return run
