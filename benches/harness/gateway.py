"""The gateway beside nginx, both in front of the same upstreams: what passing a request on costs."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .load import Contender, Contest, wrk
from .servers import Failure, Server, free_port

CONNECTIONS = (64, 1_000)
UPSTREAMS = 2
PATH = "/api/v2/products/0195ea1b-3d02-8c11-a411-9be1d2c4f7a0"
"""Asked of a service that passes for well and answers no call."""
HUNG_PATH = "/api/v2/users/0195ea1b-3d02-8c11-a411-9be1d2c4f7a0"
"""Connections that ask for it, and those whose latency is compared: few enough that the machine has time to spare."""
CROWD, BESIDE = 1_000, 4
BODY = '{"filler":"' + "x" * 587 + '"}'

COMMON = """
daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.error error;
worker_processes {workers}; worker_rlimit_nofile 16384; events {{ worker_connections 8192; }}
http {{
    client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
    fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
    keepalive_requests 1000000000; keepalive_timeout 60; tcp_nodelay on;
    {http}
}}
"""
HUNG = "server {{ listen 127.0.0.1:{port}; access_log off; location = /internal/health {{ return 200; }} location / {{ proxy_pass http://127.0.0.1:{silent}; }} }}"
ORIGIN = "server {{ listen 127.0.0.1:{port} backlog=4096; access_log off; default_type application/json; return 200 '{body}'; }}"
PROXY = """
    log_format line escape=json '{{"timestamp":"$time_iso8601","request":"$request","status":$status,"duration":$request_time,"id":"$request_id"}}';
    access_log {folder}/access.log line buffer=64k;
    upstream origin {{ {servers} keepalive 1024; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;
        }}
    }}
"""


def nginx(name: str, folder: Path, workers: int, port: int, http: str) -> Server:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not binary:
        raise Failure("nginx is needed: on Debian, apt-get install nginx-light")
    file = folder / f"{name}.conf"
    file.write_text(COMMON.format(folder=folder, name=name, workers=workers, http=http))
    server = Server(name, [binary, "-c", str(file)], folder)
    server.spawn()
    server.port = port
    return server


def measure(
    primetrade: Callable[..., Server],
    scratch: Path,
    rounds: int,
    seconds: float,
    warm_up: float,
    cleanup: Callable[[Callable[[], None]], None],
    say: Callable[[str], None],
) -> str:
    """`primetrade(name, *flags)` makes a server that is not started yet. The figures as Markdown."""
    ports = [free_port() for _ in range(UPSTREAMS)]
    origins = "\n".join(ORIGIN.format(port=port, body=BODY) for port in ports)
    # Connections are made, and nobody ever reads from them.
    silent = socket.create_server(("127.0.0.1", 0), backlog=4_096)
    cleanup(silent.close)
    hung = free_port()
    origins += "\n" + HUNG.format(port=hung, silent=silent.getsockname()[1])
    cleanup(nginx("origin", scratch, 1, ports[0], origins).stop)
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{one};" for one in ports)
    beside = nginx("nginx", scratch, 2, port, PROXY.format(folder=scratch, servers=servers, port=port))
    cleanup(beside.stop)
    flags = [f"--upstreams-{role}={addresses}" for role in ("auth", "products")]
    gateway = primetrade("gateway", "--role=gateway", f"--upstreams-users=127.0.0.1:{hung}", *flags)
    cleanup(gateway.stop)
    gateway.start()
    time.sleep(1)
    paths = scratch / "gateway-paths.txt"
    paths.write_text(PATH + "\n")
    lines = [
        "| connections | of | requests/s, median | lowest – highest | p50 ms | p99 ms | own CPU, µs a request | gateway ÷ nginx |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for connections in CONNECTIONS:

        def reads(server: Server, connections: int = connections) -> Callable[[float, int], dict]:
            ask = wrk(server, connections, ["get"], {"PATHS": str(paths)})

            def run(length: float, seed: int) -> dict:
                before = cpu_seconds(server)
                result = ask(length, seed)
                answered = result["rate"] * length
                return result | {"cpu_us": (cpu_seconds(server) - before) / answered * 1e6}

            return run

        contenders = [Contender("PrimeTrade", reads(gateway)), Contender("nginx", reads(beside))]
        contest = Contest(f"{connections} connections", "pass on", contenders)
        contest.compete(rounds, seconds, warm_up, say)
        for contender in contenders:
            if contender.errors():
                raise Failure(f"{contender.errors():,} requests of {contender.name} failed at {connections} connections")
            rates, ratio = contender.values("rate"), contest.ratio(contender)
            cpu = median(contender.values("cpu_us"))
            name = "the gateway" if contender.name == "PrimeTrade" else contender.name
            lines.append(
                f"| {connections:,} | {name} | {contender.median():,.0f} | {min(rates):,.0f} – {max(rates):,.0f} | "
                f"{contender.median('p50'):.2f} | {contender.median('p99'):.2f} | {cpu:.1f} | "
                f"{'' if ratio is None else f'{ratio:.2f}'} |"
            )
    return "\n".join([*lines, "", *measure_beside_hung(gateway, paths, rounds, seconds, warm_up, say)])


def measure_beside_hung(
    gateway: Server, paths: Path, rounds: int, seconds: float, warm_up: float, say: Callable[[str], None]
) -> list[str]:
    """What the routes of one service notice of another that hangs."""
    alone = wrk(gateway, BESIDE, ["get"], {"PATHS": str(paths)})

    def beside(length: float, seed: int) -> dict:
        with ExitStack() as open_until_then:
            answered = select.poll()
            for _ in range(CROWD):
                waiting = open_until_then.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
                waiting.sendall(f"GET {HUNG_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                answered.register(waiting, select.POLLIN)
            time.sleep(0.5)
            if answered.poll(0):
                raise Failure("the gateway answered who was to wait")
            return alone(length, seed)

    contenders = [Contender("beside", beside), Contender("alone", alone)]
    contest = Contest(f"{BESIDE} connections", "beside a service that hangs", contenders)
    contest.compete(rounds, seconds, warm_up, say)
    ratios = [a["p95"] / b["p95"] for a, b in zip(contenders[0].rounds, contenders[1].rounds)]
    lines = ["| products, asked on 4 connections | requests/s, median | p50 ms | p95 ms | p95 beside ÷ alone, of each round |", "|---|--:|--:|--:|--:|"]
    for contender, told in zip(contenders, (", ".join(f"{one:.2f}" for one in ratios), "")):
        name = f"while {CROWD} connections wait for users" if contender.name == "beside" else contender.name
        figures = f"{contender.median():,.0f} | {contender.median('p50'):.2f} | {contender.median('p95'):.2f}"
        lines.append(f"| {name} | {figures} | {told} |")
    return lines


def cpu_seconds(server: Server) -> float:
    """Of the process and its workers."""
    pid = server.process.pid
    workers = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    ticks = 0
    for one in [str(pid), *workers]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
