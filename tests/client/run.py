#!/usr/bin/env python3
"""Makes a TypeScript client of the committed OpenAPI document, compiles the journey with it, and walks it against a server; then runs
what docs/api.md shows in JavaScript.

usage: tests/client/run.py [--if-installable] [BINARY]

With --if-installable, a machine without npm, or one that cannot reach its registry, passes without a run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from server import Server

OPTION = "--if-installable"
# Sooner said than after minutes: it is tried again with the next run.
PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"]


def left_out(why):
    told = f"{why}: no client is generated from the OpenAPI document"
    if OPTION not in sys.argv:
        sys.exit(told)
    print(told)
    sys.exit(0)


def install():
    """What package-lock.json names, unless it is there already."""
    if not shutil.which("npm"):
        left_out("npm is not installed")
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".installed"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        if subprocess.run(["npm", "ci", "--loglevel=error", *PATIENCE], cwd=HERE).returncode:
            left_out("npm cannot install what the client needs")
        installed.write_bytes(lock.read_bytes())


def npm_run(script, *arguments):
    return subprocess.run(["npm", "run", "--silent", script, "--", *arguments], cwd=HERE).returncode == 0


def guide_holds(url):
    """Whether the lines in JavaScript of docs/api.md do what they say."""
    lines = (ROOT / "docs" / "api.md").read_text().split("```js\n")[1].split("```")[0]
    imports = "".join(line + "\n" for line in lines.splitlines() if line.startswith("import "))
    lines = lines.replace(imports, "").replace("http://localhost:8080", url)
    program = (HERE / "guide.js").read_text()
    built = HERE / "built" / "guide.js"
    built.write_text(imports + program.replace("// GUIDE\n", lines))
    return subprocess.run(["node", built, url], cwd=HERE).returncode == 0


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != OPTION]
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "primetrade"
    binary = Path(arguments[0] if arguments else built).resolve()
    install()
    shutil.rmtree(HERE / "built", ignore_errors=True)
    if not (npm_run("generate") and npm_run("compile")):
        sys.exit("the client does not compile")
    with tempfile.TemporaryDirectory(prefix="primetrade-client-") as folder:
        with Server(binary, folder) as server:
            held = npm_run("journey", server.url) and guide_holds(server.url)
        if not held:
            print("\nthe server's last log lines:", *server.told().splitlines()[-10:], sep="\n")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
