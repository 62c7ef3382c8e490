#!/usr/bin/env python3
"""Sends what schemathesis makes of the OpenAPI documents to a server, as three kinds of caller. Exit code 1 on a finding.

usage: tests/fuzz/run.py [EXAMPLES] [BINARY]     (EXAMPLES: requests per operation, 25 unless said)
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv
from pathlib import Path

SCHEMATHESIS = "4.32.5"
SEED = "20261125"
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

# They end the caller's own session: asked last, or everything after them would be a 401.
LAST = [
    "DELETE /api/v2/me",
    "PUT /api/v2/me/password",
    "DELETE /api/v2/sessions",
    "DELETE /api/v2/sessions/current",
    "DELETE /api/v2/users/{id}",
]


def installed():
    """The schemathesis program, in a virtual environment of its own."""
    folder = ROOT / "target" / "fuzz" / f"schemathesis-{SCHEMATHESIS}"
    program = folder / "bin" / "schemathesis"
    if not program.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"schemathesis=={SCHEMATHESIS}"], check=True)
    return program


class Server:
    """The binary on a temporary store, with limits off: the fuzzer asks more in a second than a person in a day."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PRIMETRADE_")}
        self.environment |= {
            "PRIMETRADE_HTTP__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_ADMIN__LISTEN": "127.0.0.1:0",
            "PRIMETRADE_DATABASE__URL": f"sqlite:{folder}/data",
            "PRIMETRADE_LIMITS__ENABLED": "false",
            "PRIMETRADE_LOG__FORMAT": "json",
        }
        self.log = open(f"{folder}/log", "w")
        self.process = self.start("serve", stdout=subprocess.PIPE, stderr=self.log)
        for line in self.process.stdout:
            if found := re.match(r"PrimeTrade is serving on (\S+)", line):
                self.url = found[1]
                return
        sys.exit(f"the server did not start:\n{Path(self.log.name).read_text()}")

    def start(self, *arguments, **streams):
        return subprocess.Popen([self.binary, *arguments], env=self.environment, cwd=self.folder, text=True, **streams)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def post(self, path, body):
        """The answer's JSON; nothing where there is no such endpoint."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            return json.load(urllib.request.urlopen(request))
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):
                return None
            raise

    def account(self, name, admin):
        """A new account's tokens, by API version."""
        email = f"{name}@example.com"
        if admin:
            arguments = ["admin", "create", "--username", name, "--email", email, "--password-stdin"]
            self.start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL).communicate(PASSWORD + "\n")
        else:
            self.post("/api/v1/auth/register", {"username": name, "email": email, "password": PASSWORD})
        login = {"email": email, "password": PASSWORD}
        v2 = self.post("/api/v2/sessions", login)
        return {"v1": self.post("/api/v1/auth/login", login)["data"]["token"], "v2": v2 and v2["access_token"]}


def run(program, server, version, token, examples, names):
    """One run over the operations of these names."""
    checks = CHECKS + (CHECKS_OF_V2 if version == "v2" else [])
    command = [program, "--no-color", "run", f"{ROOT}/docs/openapi/{version}.json", "--url", server.url]
    command += ["--checks", ",".join(checks), "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"]
    command += ["--max-examples", str(examples), "--seed", SEED]
    command += ["--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"]
    for name in names:
        command += ["--include-name", name]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    # Its reports and caches are not for the repository.
    return subprocess.run(command, cwd=server.folder).returncode == 0


def operations(version):
    paths = json.loads((ROOT / "docs" / "openapi" / f"{version}.json").read_text())["paths"]
    return [f"{method.upper()} {path}" for path, item in paths.items() for method in item]


def fuzz(program, server, examples):
    held = True
    number = 0
    for version in ("v1", "v2"):
        names = operations(version)
        parts = [[name for name in names if name not in LAST], *([name] for name in names if name in LAST)]
        for caller in ("anonymous", "user", "administrator"):
            for part in parts:
                number += 1
                token = None
                if caller != "anonymous":
                    token = server.account(f"{caller}_{number}", caller == "administrator")[version]
                    if not token:
                        continue
                print(f"\n=== {version} as {caller}", flush=True)
                held &= run(program, server, version, token, examples, part)
    return held


def main():
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    binary = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "target" / "debug" / "primetrade").resolve()
    program = installed()
    with tempfile.TemporaryDirectory(prefix="primetrade-fuzz-") as folder:
        server = Server(binary, folder)
        try:
            held = fuzz(program, server, examples)
        finally:
            server.stop()
        if not held:
            print("\nthe server's last log lines:", *Path(server.log.name).read_text().splitlines()[-10:], sep="\n")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
