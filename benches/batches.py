#!/usr/bin/env python3
"""Changes of stock one by one, and 500 in a batch: variants a second, in turn.

    python3 benches/batches.py BINARY                      on a new SQLite folder
    python3 benches/batches.py BINARY --database URL       on a PostgreSQL database, which should be empty

500 variants of ten products. "alone": one client, which asks again once it is answered. "at once": 16 of them, in as many processes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

WHO = {"username": "bench", "email": "bench@example.com", "password": "correct horse battery staple"}


class Api:
    """One client on one connection."""

    def __init__(self, port: int, token: str | None = None):
        self.port, self.token = port, token
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def post(self, path: str, body: dict) -> dict:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self.token}"} if self.token else {})
        self.connection.request("POST", path, json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), text
        return json.loads(text)


def single(api: Api, variants: list[str], turn: int) -> int:
    variant = variants[turn % len(variants)]
    api.post(f"/api/v2/variants/{variant}/stock-adjustments", {"delta": 1, "reason": "counted"})
    return 1


def batch(api: Api, variants: list[str], _: int) -> int:
    items = [{"variant_id": variant, "delta": 1} for variant in variants]
    results = api.post("/api/v2/batch/stock", {"mode": "all", "reason": "counted", "items": items})["results"]
    assert all(result["status"] == 200 for result in results)
    return len(results)


def client(port: int, token: str, variants: list[str], change, start: int, seconds: float, counts) -> None:
    api, done, turn, until = Api(port, token), 0, start, time.perf_counter() + seconds
    while time.perf_counter() < until:
        done += change(api, variants, turn)
        turn += 1
    counts.put(done)


def rate(port: int, token: str, variants: list[str], change, clients: int, seconds: float) -> float:
    counts = multiprocessing.Queue()
    began = time.perf_counter()
    asks = [
        multiprocessing.Process(target=client, args=(port, token, variants, change, 31 * n, seconds, counts)) for n in range(clients)
    ]
    for one in asks:
        one.start()
    done = sum(counts.get() for _ in asks)
    took = time.perf_counter() - began
    for one in asks:
        one.join()
    return done / took


def fill(port: int) -> tuple[str, list[str]]:
    api = Api(port)
    api.post("/api/v2/accounts", WHO)
    api.token = api.post("/api/v2/sessions", {key: WHO[key] for key in ("email", "password")})["access_token"]
    variants = []
    for n in range(10):
        sizes = [{"options": {"Size": str(size)}, "price": {"amount": 100, "currency": "USD"}, "stock": 5} for size in range(50)]
        made = api.post("/api/v2/products", {"name": f"Shirt {n}", "status": "active", "variants": sizes})
        variants += [variant["id"] for variant in made["variants"]]
    return api.token, variants


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--database", default="sqlite:store")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w") as log:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = [f"--http-listen=127.0.0.1:{port}", "--admin-listen=127.0.0.1:0", "--limits-enabled=false"]
        environment = os.environ | {"PRIMETRADE_DATABASE__URL": asked.database}
        command = [asked.binary.resolve(), "serve", *settings]
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            token, variants = fill(port)
            ratios = []
            for _ in range(asked.rounds):
                alone, at_once, batches = (
                    rate(port, token, variants, change, clients, asked.seconds)
                    for change, clients in ((single, 1), (single, 16), (batch, 1))
                )
                ratios.append((batches / alone, batches / at_once))
                print(f"alone {alone:,.0f}/s, at once {at_once:,.0f}/s, in batches {batches:,.0f}/s", flush=True)
            by_alone, by_at_once = (median(ratio) for ratio in zip(*ratios))
            print(f"batches by alone {by_alone:.1f}, by at once {by_at_once:.1f}, medians of {asked.rounds} rounds")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
