"""Clients that ask for large lists and do not read them: what they cost the process, and what others wait for.

    python3 benches/unread.py BINARY [CONNECTIONS]

Starts BINARY on a new SQLite folder. Prints the growth of its resident memory, and the 95th percentile of small reads by another client before
and meanwhile.
"""

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time

DESCRIPTION = "x" * 20_000
PIPELINED = 20


class Api:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.headers = {"content-type": "application/json"}

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()


def fill(api):
    who = {"username": "bench", "email": "bench@example.com", "password": "Correct1horse"}
    api.ask("POST", "/api/v2/accounts", who)
    _, tokens = api.ask("POST", "/api/v2/sessions", {key: who[key] for key in ("email", "password")})
    api.headers["authorization"] = "Bearer " + json.loads(tokens)["access_token"]
    for n in range(101):
        product = {"name": f"Lamp {n}", "price": {"amount": 1, "currency": "USD"}, "status": "active"}
        status, made = api.ask("POST", "/api/v2/products", product | ({"description": DESCRIPTION} if n < 100 else {}))
        assert status == 201, made
    del api.headers["authorization"]
    return "/api/v2/products/" + json.loads(made)["id"]


def p95(api, path, reads):
    took = []
    for _ in range(reads):
        began = time.perf_counter()
        status, _ = api.ask("GET", path)
        assert status == 200, status
        took.append(time.perf_counter() - began)
    return 1000 * sorted(took)[reads * 19 // 20]


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def main():
    binary, connections = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2_000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 10_000), hard))
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w") as log:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = [f"--http-listen=127.0.0.1:{port}", "--admin-listen=127.0.0.1:0", "--limits-enabled=false"]
        server = subprocess.Popen([binary, "serve", *settings], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            next(line for line in server.stdout if "serving" in line)
            api = Api(port)
            small = fill(api)
            print("list:", len(api.ask("GET", "/api/v2/products?limit=100")[1]), "bytes")
            before, memory = p95(api, small, 500), resident(server.pid)
            head = b"GET /api/v2/products?limit=100 HTTP/1.1\r\nhost: x\r\n\r\n" * PIPELINED
            deaf = []
            for _ in range(connections):
                deaf.append(socket.create_connection(("127.0.0.1", port)))
                deaf[-1].sendall(head)
            print(f"{len(deaf)} connections ask and do not read")
            for second in range(1, 16):
                began = time.time()
                reads = p95(api, small, 50), p95(api, "/health", 10)
                grown = resident(server.pid) - memory
                files = len(os.listdir(f"/proc/{server.pid}/fd"))
                print(f"{second:2} s: +{grown:6.1f} MiB, small reads p95 {reads[0]:7.1f} ms (before {before:.1f}), "
                      f"/health {reads[1]:7.1f} ms, {files} files")
                time.sleep(max(0, 1 - (time.time() - began)))
        finally:
            server.kill()
            server.wait()


main()
