#!/usr/bin/env python3
"""Measures an import of 20,000 products into an empty store on SQLite, binary beside binary in turn.

    python3 benches/imports.py OLD NEW              two binaries; prints each time and the ratio of each round
    python3 benches/imports.py OLD NEW --rounds 9
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

PRODUCTS = 20_000
OWNER = "root@example.com"
WORDS = "lamp desk chair table cup pot brass oak linen wool red blue green small large bright".split()
FIRST = ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Image Src", "SEO Title", "Status"]
EACH = ["Option1 Value", "Variant SKU", "Variant Grams", "Variant Inventory Tracker", "Variant Inventory Qty",
        "Variant Inventory Policy", "Variant Price"]  # fmt: skip


def write_file(path: Path) -> None:
    """Products of one to three variants in Shopify's format, the same each time."""
    chance = random.Random(7)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, FIRST + EACH)
        table.writeheader()
        for product in range(PRODUCTS):
            sizes = chance.choice([1, 1, 1, 2, 3])
            title = " ".join(chance.choices(WORDS, k=3)).title() + f" {product}"
            body = f"<p>{' '.join(chance.choices(WORDS, k=30))}</p>"
            first = [title, body, "Acme", chance.choice(WORDS), ", ".join(chance.sample(WORDS, 3)), "true",
                     "Size" if sizes > 1 else "Title", f"https://cdn.example.com/{product}.jpg", title, "active"]  # fmt: skip
            for size in range(sizes):
                value = "SML"[size] if sizes > 1 else "Default Title"
                each = [value, f"SKU-{product}-{size}", chance.randint(10, 5000), "shopify", chance.randint(0, 50), "deny",
                        f"{chance.randint(100, 99_999) / 100:.2f}"]  # fmt: skip
                row = dict(zip(EACH, each)) | {"Handle": f"p-{product}"}
                table.writerow(row | dict(zip(FIRST[1:], first)) if size == 0 else row)


def seconds(binary: Path, file: Path) -> float:
    """How long the import takes; the store is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PRIMETRADE_DATABASE__URL": f"sqlite:{folder}/store"}

        def run(*arguments: str, given: str = "") -> str:
            command = [binary, *arguments]
            return subprocess.run(command, env=environment, input=given, text=True, check=True, capture_output=True).stdout

        run("admin", "create", "--username", "root", "--email", OWNER, "--password-stdin", given="correct horse battery staple\n")
        start = time.perf_counter()
        said = run("import", "csv", str(file), "--owner", OWNER)
        took = time.perf_counter() - start
        assert f"{PRODUCTS} products created" in said, said
        return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "products.csv"
        write_file(file)
        ratios = []
        for _ in range(asked.rounds):
            old, new = (seconds(binary.resolve(), file) for binary in (asked.old, asked.new))
            ratios.append(new / old)
            print(f"old {old:.2f} s, new {new:.2f} s, new / old {ratios[-1]:.2f}", flush=True)
        print(f"new / old, median: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
