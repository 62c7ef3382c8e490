#!/usr/bin/env python3
"""Measures what a backup costs those who write: a server on SQLite with 800 creations a second, without and with a backup beside it.

    python3 benches/backups.py BINARY                three rounds, a store of a gibibyte; prints each and what it costs
    python3 benches/backups.py BINARY --mib 4096 --rounds 5 --rate 800
"""

from __future__ import annotations

import argparse
import http.client
import json
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

from harness.servers import Server, clean_environment

WRITERS = 16
PERSON = {"username": "root", "email": "root@example.com", "password": "seven grey lamps at noon"}
HEADERS = {"Content-Type": "application/json"}


def ask(port: int, path: str, body: dict) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, json.dumps(body), HEADERS)
    return json.loads(connection.getresponse().read())


def fill(data: Path, mib: int) -> None:
    """Ballast, so that there is something to copy."""
    with sqlite3.connect(data / "products.db", timeout=30) as database:
        database.execute("create table ballast (bytes blob)")
        for _ in range(mib):
            database.execute("insert into ballast values (randomblob(1040000))")
            database.commit()


class Writers:
    """Clients that create products, so many a second in all, each as soon as its turn has come."""

    def __init__(self, port: int, token: str, rate: float):
        self.port, self.rate = port, rate
        self.headers = HEADERS | {"Authorization": f"Bearer {token}"}
        self.turn, self.lock, self.over = 0, threading.Lock(), False
        self.took: list[float] = []
        self.start = time.perf_counter()
        self.threads = [threading.Thread(target=self.write) for _ in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        while not self.over:
            with self.lock:
                self.turn, number = self.turn + 1, self.turn
            due = self.start + number / self.rate
            time.sleep(max(0.0, due - time.perf_counter()))
            body = {"name": f"Lamp {number}", "price": {"amount": 3990, "currency": "USD"}, "stock": 5, "description": "d" * 200}
            sent = time.perf_counter()
            connection.request("POST", "/api/v2/products", json.dumps(body), self.headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201, answer.status
            self.took.append(time.perf_counter() - sent)

    def stop(self) -> tuple[float, list[float]]:
        self.over = True
        for thread in self.threads:
            thread.join()
        return len(self.took) / (time.perf_counter() - self.start), self.took


def describe(rate: float, took: list[float]) -> str:
    cuts = quantiles(took, n=100)
    return f"{rate:6.0f}/s  median {median(took) * 1e3:6.2f} ms  p99 {cuts[98] * 1e3:7.2f} ms  longest {max(took) * 1e3:7.1f} ms"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("binary", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rate", type=float, default=800)
    options.add_argument("--mib", type=int, default=1024)
    options.add_argument("--scratch", type=Path)
    options = options.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        folder = Path(scratch)
        settings = {
            "PRIMETRADE_DATABASE__URL": f"sqlite:{folder}/data",
            "PRIMETRADE_HTTP__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_ADMIN__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_LIMITS__ENABLED": "false",
        }
        binary = options.binary.resolve()
        server = Server("primetrade", [str(binary), "serve"], folder, settings).start()
        try:
            ask(server.port, "/api/v2/accounts", PERSON)
            log_in = {name: PERSON[name] for name in ("email", "password")}
            token = ask(server.port, "/api/v2/sessions", log_in)["access_token"]
            fill(folder / "data", options.mib)
            ratios = []
            for number in range(options.rounds):
                command = [str(binary), "backup", str(folder / f"backup-{number}")]
                beside = Writers(server.port, token, options.rate)
                started = time.perf_counter()
                told = subprocess.run(command, env=clean_environment(settings), check=True, capture_output=True, text=True)
                seconds = time.perf_counter() - started
                with_backup = beside.stop()
                alone = Writers(server.port, token, options.rate)
                time.sleep(seconds)
                without = alone.stop()
                ratios.append(with_backup[0] / without[0])
                print(f"without  {describe(*without)}\nwith     {describe(*with_backup)}\n  {told.stdout.splitlines()[0]}")
                subprocess.run(["rm", "-r", str(folder / f"backup-{number}")], check=True)
            print(f"rate with a backup by the rate without: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
