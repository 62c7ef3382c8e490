#!/usr/bin/env python3
"""Measures PrimeTrade beside bare servers that do the same database work. See README.md.

    python3 benches/run.py                 everything; writes benches/results/DATE.md and DATE.json
    python3 benches/run.py --quick         a smoke run of about a minute; prints, records nothing
    python3 benches/run.py --gateway       the gateway beside nginx, alone; prints, for results/DATE-gateway.md
    python3 benches/run.py --holds         holds of stock, alone; prints, for results/DATE-holds.md
    python3 benches/run.py --lists         how long lists take on stores of growing size, alone; prints, for results/DATE-lists.md
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from harness import gateway, holds, lists, machine, report
from harness.cluster import Cluster
from harness.dataset import body_size, import_products, public_ids, register_seller, write_shopify_csv
from harness.load import Contender, Contest, creates, pgbench_inserts, reads
from harness.servers import Failure, Server, clean_environment, free_port, time_to_first_answer

BENCHES = Path(__file__).resolve().parent
REPOSITORY = BENCHES.parent
DISK_NEEDED_GB = 15
PIPELINED_CONNECTIONS = 4
HOLDING = 256
FIRST_ANSWER = "/api/v2/products?limit=1"
SEED_TIMEOUT = 600


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small data, one short round: does everything still work?")
    parser.add_argument("--database", choices=("both", "sqlite", "postgres"), default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement")
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--starts", type=int, default=10, help="how often the start is timed")
    parser.add_argument("--peers-only", action="store_true", help="leave PrimeTrade out")
    parser.add_argument("--lists", action="store_true", help="measure lists on stores of growing size, and nothing else")
    parser.add_argument("--holds", action="store_true", help="measure holds of stock at 256 connections, and nothing else")
    parser.add_argument("--gateway", action="store_true", help="measure the gateway beside nginx, and nothing else")
    parser.add_argument("--no-build", action="store_true", help="measure target/release as it is")
    parser.add_argument("--scratch", type=Path, help="folder for data, on the disk to measure (default: /var/tmp)")
    parser.add_argument("--results", type=Path, help="folder for the results (default: benches/results)")
    arguments = parser.parse_args()
    arguments.alone = arguments.lists or arguments.gateway or arguments.holds
    arguments.warm_up = 2.0
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.warm_up = 1, 2, 1.0
        arguments.products, arguments.starts = min(arguments.products, 2_000), 3
    if min(arguments.rounds, arguments.seconds, arguments.products, arguments.connections, arguments.starts) < 1:
        parser.error("rounds, seconds, products, connections and starts are at least 1")
    return arguments


class Run:
    """One run: its folder, the servers it has started, what it has measured."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path, cleanup: ExitStack):
        self.arguments = arguments
        self.scratch = scratch
        self.cleanup = cleanup
        release = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release"
        self.primetrade = release / "primetrade"
        self.peer = release / "peer"
        self.contests: list[Contest] = []
        self.extras: dict[str, dict] = {}
        self.csv = scratch / "products.csv"

    def build(self) -> None:
        if not self.arguments.no_build:
            peers = [] if self.arguments.alone else ["-p", "peers"]
            packages = peers + ([] if self.arguments.peers_only else ["-p", "primetrade"])
            say("building " + " and ".join(packages[1::2]))
            subprocess.run(["cargo", "build", "--release", "--quiet", *packages], cwd=REPOSITORY, check=True)
        for binary in ([] if self.arguments.alone else [self.peer]) + ([] if self.arguments.peers_only else [self.primetrade]):
            if not binary.exists():
                raise Failure(f"{binary} is missing: run without --no-build")

    def server(self, name: str, command: list[str], environment: dict[str, str]) -> Server:
        server = Server(name, command, self.scratch, environment)
        self.cleanup.callback(server.stop)
        return server

    def primetrade_server(self, name: str, database_url: str, *flags: str, port: int = 0) -> Server:
        environment = {
            "PRIMETRADE_HTTP__LISTEN": f"127.0.0.1:{port}",
            "PRIMETRADE_ADMIN__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_DATABASE__URL": database_url,
            "PRIMETRADE_LIMITS__ENABLED": "false",
            "PRIMETRADE_LOG__FORMAT": "json",
        }
        if database_url.startswith("postgres"):
            environment["PRIMETRADE_AUTH__KEY_FILE"] = str(self.scratch / "keys-for-postgresql")
        return self.server(name, [str(self.primetrade), "serve", *flags], environment)

    def peer_server(self, name: str, mode: str, target: str, **environment: str) -> Server:
        return self.server(name, [str(self.peer), mode, "serve", target], environment).start()

    def path_list(self, name: str, prefix: str, ids: list[str]) -> Path:
        file = self.scratch / f"{name}-paths.txt"
        file.write_text("".join(f"{prefix}{one}\n" for one in ids))
        return file

    def seed_peer(self, mode: str, target: str) -> Path:
        say(f"seeding the bare {mode} peer")
        command = [str(self.peer), mode, "seed", target, str(self.arguments.products)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SEED_TIMEOUT, env=clean_environment({}), check=False
        )
        if done.returncode != 0:
            raise Failure(f"seeding failed: {done.stderr[-1000:]}")
        return self.path_list(f"peer-{mode}", "/products/", done.stdout.split())

    def weigh(self, database: str, peer: Server, paths: Path) -> None:
        """Ratios mean little unless both answer with about as many bytes."""
        with open(paths) as lines:
            self.extras.setdefault(database, {})["peer_body_bytes"] = body_size(peer, lines.readline().strip())

    def fill_primetrade(self, database: str, url: str) -> tuple[str, Path]:
        """Registers the seller, imports the products, times starts; the seller's token and the list of paths."""
        extras = self.extras.setdefault(database, {})
        server = self.primetrade_server(f"PrimeTrade on {database}", url).start()
        token = register_seller(server)
        say(f"importing {self.arguments.products:,} products into PrimeTrade on {database}")
        taken = import_products(self.primetrade, server, self.csv)
        extras["import_rows_per_second"] = self.arguments.products / taken
        ids = public_ids(server, self.arguments.products)
        extras["body_bytes"] = body_size(server, f"/api/v2/products/{ids[0]}")
        server.stop()
        say(f"timing {self.arguments.starts} starts of PrimeTrade on {database}")
        starts = []
        for _ in range(self.arguments.starts):
            port = free_port()
            starting = self.primetrade_server(f"PrimeTrade on {database}", url, port=port)
            starts.append(time_to_first_answer(starting, port, FIRST_ANSWER))
            starting.stop()
        extras["start_ms"], extras["start_slowest_ms"] = median(starts) * 1e3, max(starts) * 1e3
        return token, self.path_list(f"primetrade-{database.lower()}", "/api/v2/products/", ids)

    def start_idle(self, database: str, url: str) -> Server:
        server = self.primetrade_server(f"PrimeTrade on {database}", url).start()
        time.sleep(2)
        self.extras[database]["idle_mb"] = server.resident_mb()
        return server

    def time_demo(self) -> None:
        folder = self.scratch / "demo"
        port = free_port()
        server = self.primetrade_server("demo shop", f"sqlite:{folder}", "--demo", port=port)
        self.extras.setdefault("SQLite", {})["demo_s"] = time_to_first_answer(server, port, FIRST_ANSWER)
        server.stop()

    def compete(self, contest: Contest) -> None:
        self.contests.append(contest)
        contest.compete(self.arguments.rounds, self.arguments.seconds, self.arguments.warm_up, say)

    def measure_gateway(self) -> None:
        def server(name: str, *flags: str) -> Server:
            return self.primetrade_server(name, f"sqlite:{self.scratch / 'unused'}", *flags)

        arguments = self.arguments
        times = (arguments.rounds, arguments.seconds, arguments.warm_up)
        print(gateway.measure(server, self.scratch, *times, self.cleanup.callback, say))

    def measure_holds(self, cluster: Cluster | None) -> None:
        arguments = self.arguments
        urls = {}
        if arguments.database != "postgres":
            urls["SQLite"] = f"sqlite:{self.scratch / 'holds'}"
        if cluster:
            urls["PostgreSQL"] = cluster.create_database("holds")
        lines = [holds.HEAD]
        for database, url in urls.items():
            server = self.primetrade_server(f"PrimeTrade on {database}", url).start()
            times = (arguments.rounds, arguments.seconds, arguments.warm_up)
            lines.append(holds.measure(database, server, self.scratch, HOLDING, *times, say))
            server.stop()
        print("\n".join(lines))

    def measure_lists(self, cluster: Cluster | None) -> None:
        sizes = [10_000, 20_000] if self.arguments.quick else list(lists.SIZES)
        rounds, seconds = self.arguments.rounds, self.arguments.seconds

        def compare(database: str, url: str, settle) -> None:
            def start() -> Server:
                return self.primetrade_server(f"PrimeTrade on {database}", url).start()

            found = lists.measure(start, settle, self.primetrade, self.scratch, sizes, rounds, seconds, say)
            print(lists.as_markdown(database, found))

        if self.arguments.database != "postgres":
            compare("SQLite", f"sqlite:{self.scratch / 'lists'}", lambda: None)
        if cluster:
            url = cluster.create_database("lists")
            # As autovacuum will have done by then.
            compare("PostgreSQL", url, lambda: cluster.sql("lists", "-c", "vacuum analyze"))

    def measure_sqlite(self) -> None:
        connections = self.arguments.connections
        peer_file = str(self.scratch / "peer.db")
        peer_paths = self.seed_peer("sqlite", peer_file)
        peer = self.peer_server("bare SQLite peer", "sqlite", peer_file)
        self.weigh("SQLite", peer, peer_paths)
        readers = [Contender("bare peer", reads(peer, connections, peer_paths))]
        writers = [Contender("bare peer", creates(peer, connections, "/products", None))]
        server = None
        if not self.arguments.peers_only:
            url = f"sqlite:{self.scratch / 'primetrade'}"
            token, paths = self.fill_primetrade("SQLite", url)
            self.time_demo()
            server = self.start_idle("SQLite", url)
            readers.insert(0, Contender("PrimeTrade", reads(server, connections, paths)))
            writers.insert(0, Contender("PrimeTrade", creates(server, connections, "/api/v1/products", token)))
        self.compete(Contest("SQLite", report.READ, readers))
        self.compete(Contest("SQLite", report.CREATE, writers))
        if server:
            self.extras["SQLite"]["loaded_mb"] = server.resident_mb()
            server.stop()
        peer.stop()

    def measure_postgres(self, cluster: Cluster) -> None:
        connections = self.arguments.connections
        peer_url = cluster.create_database("peer")
        peer_paths = self.seed_peer("postgres", peer_url)
        pooled = self.peer_server("pooled PostgreSQL peer", "postgres", peer_url)
        shared = str(PIPELINED_CONNECTIONS)
        pipelined = self.peer_server("pipelined PostgreSQL peer", "postgres", peer_url, PEER_PIPELINED=shared)
        self.weigh("PostgreSQL", pooled, peer_paths)
        cluster.create_database("plain")
        table = str(BENCHES / "load" / "pgbench-table.sql")
        cluster.sql("plain", "-v", f"products={self.arguments.products}", "-f", table)
        readers = [
            Contender("bare peer, pooled", reads(pooled, connections, peer_paths)),
            Contender("bare peer, pipelined", reads(pipelined, connections, peer_paths)),
        ]
        writers = [
            Contender("bare peer, pooled", creates(pooled, connections, "/products", None)),
            Contender("pgbench insert", pgbench_inserts(cluster, "plain", connections)),
        ]
        server = None
        if not self.arguments.peers_only:
            url = cluster.create_database("primetrade")
            token, paths = self.fill_primetrade("PostgreSQL", url)
            # As autovacuum will have done on a store that was not filled a minute ago.
            cluster.sql("primetrade", "-c", "vacuum analyze")
            server = self.start_idle("PostgreSQL", url)
            readers.insert(0, Contender("PrimeTrade", reads(server, connections, paths)))
            writers.insert(0, Contender("PrimeTrade", creates(server, connections, "/api/v1/products", token)))
        self.compete(Contest("PostgreSQL", report.READ, readers))
        self.compete(Contest("PostgreSQL", report.CREATE, writers, before=cluster.checkpoint))
        if server:
            self.extras["PostgreSQL"]["loaded_mb"] = server.resident_mb()
            server.stop()
        pooled.stop()
        pipelined.stop()


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def check_surroundings(arguments: argparse.Namespace, scratch: Path) -> None:
    if not shutil.which("wrk"):
        raise Failure("wrk is needed: on Debian, apt-get install wrk; elsewhere https://github.com/wg/wrk")
    if machine.file_system(scratch) in ("tmpfs", "ramfs"):
        raise Failure(f"{scratch} is in memory, where a flush costs nothing: name a folder on a disk with --scratch")
    free_gb = shutil.disk_usage(scratch).free / 1e9
    if not arguments.quick and free_gb < DISK_NEEDED_GB:
        raise Failure(f"{scratch} has {free_gb:.0f} GB free; the created products may need {DISK_NEEDED_GB}")


def measure(arguments: argparse.Namespace, scratch: Path) -> tuple[dict, Run]:
    with ExitStack() as cleanup:
        run = Run(arguments, scratch, cleanup)
        run.build()
        # Found first, so that what is missing is said before minutes have passed.
        cluster = Cluster(scratch, machine.memory_mb()) if arguments.database != "sqlite" and not arguments.gateway else None
        facts = {
            "date": datetime.date.today().isoformat(),
            "machine": machine.describe(scratch),
            "run": {
                name: getattr(arguments, name)
                for name in ("quick", "rounds", "seconds", "warm_up", "connections", "products", "starts")
            },
        }
        if arguments.gateway:
            run.measure_gateway()
            return facts, run
        if arguments.lists or arguments.holds:
            if cluster:
                cleanup.callback(cluster.stop)
                cluster.start()
            (run.measure_lists if arguments.lists else run.measure_holds)(cluster)
            return facts, run
        write_shopify_csv(run.csv, arguments.products)
        if arguments.database != "postgres":
            run.measure_sqlite()
        if cluster:
            cleanup.callback(cluster.stop)
            cluster.start()
            facts["postgresql_settings"] = cluster.settings()
            run.measure_postgres(cluster)
        postgres = facts.get("postgresql_settings", {}).get("server_version", "not used")
        facts["versions"] = machine.versions(REPOSITORY, postgres)
        return facts, run


def record(arguments: argparse.Namespace, facts: dict, run: Run) -> None:
    text = report.as_markdown(facts, run.contests, run.extras)
    print(text)
    partial = arguments.quick or arguments.peers_only or arguments.database != "both"
    if partial and not arguments.results:
        say("not recorded, because this was not a whole run; --results FOLDER records it")
        return
    folder = arguments.results or BENCHES / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{facts['date']}.md").write_text(text)
    document = report.as_json(facts, run.contests, run.extras)
    (folder / f"{facts['date']}.json").write_text(json.dumps(document, indent=1) + "\n")
    say(f"recorded in {folder}/{facts['date']}.md and .json")


def main() -> int:
    arguments = parse_arguments()
    # As with Ctrl-C: what was started is stopped, what was written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    base = arguments.scratch or Path("/var/tmp" if os.path.isdir("/var/tmp") else tempfile.gettempdir())
    try:
        base.mkdir(parents=True, exist_ok=True)
        check_surroundings(arguments, base)
        with tempfile.TemporaryDirectory(prefix="primetrade-bench-", dir=base) as folder:
            scratch = Path(folder)
            scratch.chmod(0o755)  # the database's user passes through
            facts, run = measure(arguments, scratch)
            if not arguments.alone:
                record(arguments, facts, run)
    except Failure as failure:
        print(f"benches/run.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    errors = sum(contender.errors() for contest in run.contests for contender in contest.contenders)
    if errors:
        print(f"benches/run.py: {errors:,} requests were refused or broke off", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
