"""The products that PrimeTrade serves during the run: a Shopify export that it imports, and the ids that it gave them."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from pathlib import Path

from .servers import Failure, Server, clean_environment

EMAIL = "seller@example.com"
PASSWORD = "Benchmark1"
IMPORT_TIMEOUT = 1_800
# The headers that Shopify wrote until 2025, without the many columns that this data would leave empty.
HEADERS = (
    "Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published",
    "Option1 Name", "Option1 Value", "Variant SKU", "Variant Grams", "Variant Inventory Tracker",
    "Variant Inventory Qty", "Variant Inventory Policy", "Variant Fulfillment Service", "Variant Price",
    "Variant Compare At Price", "Variant Requires Shipping", "Variant Taxable", "Variant Barcode",
    "Image Src", "Image Position", "Image Alt Text", "Gift Card", "Variant Weight Unit",
)  # fmt: skip


def write_shopify_csv(file: Path, products: int, after: int = 0) -> None:
    """Published products up to number `products`, with one default variant each, their bodies 200 characters long."""
    with open(file, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(HEADERS)
        for number in range(after + 1, products + 1):
            cents = 100 + number % 99_900
            writer.writerow((
                f"sample-product-{number}", f"Sample product {number}",
                f"Made-up description of sample product {number}".ljust(200, "."),
                "Sample vendor", f"category-{number % 20 + 1:02}", "sample, load", "true",
                "Title", "Default Title", f"SKU-{number}", "0", "shopify",
                "1000", "deny", "manual", f"{cents // 100}.{cents % 100:02}",
                "", "true", "true", "",
                "", "", "", "false", "kg",
            ))  # fmt: skip


def register_seller(server: Server) -> str:
    """The account that owns the products; its bearer token."""
    body = json.dumps({"username": "seller", "email": EMAIL, "password": PASSWORD})
    connection = server.connection()
    connection.request("POST", "/api/v1/auth/register", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 201:
        raise Failure(f"{server.name} answered {answer.status} to a registration: {text[:300]!r}")
    return json.loads(text)["data"]["token"]


def import_products(binary: Path, server: Server, file: Path) -> float:
    """Imports `file` for the seller beside the running server; seconds taken."""
    began = time.monotonic()
    done = subprocess.run(
        [str(binary), "import", "csv", str(file), "--owner", EMAIL],
        cwd=server.folder,
        env=clean_environment(server.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=IMPORT_TIMEOUT,
    )
    if done.returncode != 0:
        raise Failure(f"the import ended with {done.returncode}:\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}")
    return time.monotonic() - began


def public_ids(server: Server, expected: int) -> list[str]:
    """Every id of the public list, read with its cursors."""
    connection = server.connection()
    ids: list[str] = []
    cursor = None
    while True:
        path = "/api/v2/products?limit=100" + (f"&cursor={cursor}" if cursor else "")
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Failure(f"{server.name} answered {answer.status} to GET {path}: {text[:300]!r}")
        page = json.loads(text)
        ids += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        if len(ids) > 2 * expected:
            raise Failure(f"{server.name} lists more than twice the {expected} products that were imported")
    connection.close()
    if len(ids) != expected or len(set(ids)) != expected:
        raise Failure(f"{server.name} lists {len(ids)} products ({len(set(ids))} different); {expected} were imported")
    return ids


def body_size(server: Server, path: str) -> int:
    connection = server.connection()
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise Failure(f"{server.name} answered {answer.status} to GET {path}: {text[:300]!r}")
    return len(text)
