#!/usr/bin/env python3
"""Sends what schemathesis makes of the OpenAPI documents to a server, as three kinds of caller. Exit code 1 on a finding.

usage: tests/fuzz/run.py [--if-installable] [EXAMPLES] [BINARY]     (EXAMPLES: requests per operation, 25 unless said)

With --if-installable, a machine that cannot reach PyPI passes without a run.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from server import Server

SCHEMATHESIS = "4.32.5"
SEED = "20261125"
OPTION = "--if-installable"
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Correct1horse"

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
# v1 takes what the monolith took, whatever its document says, and knows no 405.
CHECKS_OF_V2 = ["negative_data_rejection", "missing_required_header", "unsupported_method"]

# They end the caller's own session or role: each asked as an account of its own, or everything after them would be refused.
ALONE = [
    "DELETE /api/v2/me",
    "PUT /api/v2/me/password",
    "DELETE /api/v2/sessions",
    "DELETE /api/v2/sessions/current",
    "PATCH /api/v2/users/{id}",
]


def installed():
    """The schemathesis program, in a virtual environment of its own."""
    folder = ROOT / "target" / "fuzz" / f"schemathesis-{SCHEMATHESIS}"
    program = folder / "bin" / "schemathesis"
    if not program.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, f"schemathesis=={SCHEMATHESIS}"]).returncode:
            shutil.rmtree(folder, ignore_errors=True)
            if OPTION in sys.argv:
                print("schemathesis cannot be installed from PyPI: nothing is fuzzed")
                sys.exit(0)
            sys.exit("schemathesis cannot be installed from PyPI")
    return program


class Fuzzed(Server):
    def post(self, path, body):
        """The answer's JSON."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request))

    def account(self, name, admin):
        """A new account's tokens, by API version."""
        email = f"{name}@example.com"
        if admin:
            arguments = ["admin", "create", "--username", name, "--email", email, "--password-stdin"]
            self.start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL).communicate(PASSWORD + "\n")
        else:
            self.post("/api/v1/auth/register", {"username": name, "email": email, "password": PASSWORD})
        login = {"email": email, "password": PASSWORD}
        v1, v2 = self.post("/api/v1/auth/login", login), self.post("/api/v2/sessions", login)
        return {"v1": v1["data"]["token"], "v2": v2["access_token"]}


def run(program, server, version, token, examples, names):
    """One run over the operations of these names."""
    checks = CHECKS + (CHECKS_OF_V2 if version == "v2" else [])
    command = [program, "--no-color", "--config-file", f"{ROOT}/tests/fuzz/schemathesis.toml"]
    command += ["run", f"{ROOT}/docs/openapi/{version}.json", "--url", server.url]
    command += ["--checks", ",".join(checks), "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"]
    command += ["--max-examples", str(examples), "--seed", SEED]
    command += ["--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"]
    for name in names:
        command += ["--include-name", name]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    # Its reports and caches are not for the repository.
    return subprocess.run(command, cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def operations(version):
    paths = json.loads((ROOT / "docs" / "openapi" / f"{version}.json").read_text())["paths"]
    return [f"{method.upper()} {path}" for path, item in paths.items() for method in item]


def fuzz(program, server, examples):
    """Every part as every caller, as many at once as there are processors. Whether nothing was found."""
    runs = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for version in ("v1", "v2"):
            names = operations(version)
            parts = [[name for name in names if name not in ALONE], *([name] for name in names if name in ALONE)]
            for caller in ("anonymous", "user", "administrator"):
                for part in [names] if caller == "anonymous" else parts:
                    token = None
                    if caller != "anonymous":
                        token = server.account(f"{caller}_{len(runs)}", caller == "administrator")[version]
                    title = f"{version} as {caller}: {part[0] if len(part) == 1 else 'all'}"
                    runs.append((title, pool.submit(run, program, server, version, token, examples, part)))
        for title, done in runs:
            ended = done.result()
            told = ended.stdout if ended.returncode else "\n".join(re.findall(r".* generated, .*", ended.stdout))
            print(f"\n=== {title}\n{told}", flush=True)
    return all(done.result().returncode == 0 for _, done in runs)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != OPTION]
    examples = int(arguments[0]) if arguments else 25
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "primetrade"
    binary = Path(arguments[1] if len(arguments) > 1 else built).resolve()
    program = installed()
    with tempfile.TemporaryDirectory(prefix="primetrade-fuzz-") as folder:
        with Fuzzed(binary, folder) as server:
            held = fuzz(program, server, examples)
        if not held:
            print("\nthe server's last log lines:", *server.told().splitlines()[-10:], sep="\n")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
