"""Starting, watching and stopping the servers under measurement. Everything listens on 127.0.0.1 only."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
SERVING = re.compile(rb"serving on http://127\.0\.0\.1:(\d+)")


class Failure(Exception):
    """Something that ends the run; its text is what the reader has to know."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(extra: dict[str, str]) -> dict[str, str]:
    """The caller's environment without settings of PrimeTrade or the peers, plus `extra`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PRIMETRADE_", "PEER_", "PG"))}
    return kept | extra


class Server:
    """One server process, with its output kept in files of the run's folder."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str] | None = None):
        self.name = name
        self.command = command
        self.folder = folder
        self.environment = environment or {}
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower())
        self.log = folder / f"{stem}.log"
        self.out = folder / f"{stem}.out"
        self.process: subprocess.Popen | None = None
        self.port = 0

    def spawn(self) -> None:
        with open(self.out, "wb") as out, open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=clean_environment(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

    def start(self) -> Server:
        """Starts the process and waits until it says where it serves."""
        self.spawn()
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if found := SERVING.search(self.out.read_bytes()):
                self.port = int(found[1])
                return self
            self.check_alive()
            time.sleep(0.01)
        raise Failure(f"{self.name} did not say within {START_TIMEOUT:.0f} s where it serves\n{self.log_tail()}")

    def check_alive(self) -> None:
        if self.process is None or self.process.poll() is not None:
            code = self.process.returncode if self.process else "none"
            raise Failure(f"{self.name} is not running (exit code {code})\n{self.log_tail()}")

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def resident_mb(self) -> float:
        self.check_alive()
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def log_tail(self, size: int = 2_000) -> str:
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def empty_log(self) -> None:
        """A log line per request adds up over a run; the file is open for appending, so it may be cut."""
        if self.log.exists():
            os.truncate(self.log, 0)

    def connection(self, timeout: float = 30.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)


def time_to_first_answer(server: Server, port: int, path: str) -> float:
    """Seconds from starting the process until `path` is answered 200, asking from the first connect that succeeds."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    began = time.perf_counter()
    server.spawn()
    server.port = port
    while time.perf_counter() - began < START_TIMEOUT:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(request)
                answer = connection.recv(4096)
                taken = time.perf_counter() - began
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise Failure(f"{server.name} answered {answer[:60]!r} to GET {path}")
                return taken
        except ConnectionRefusedError:
            server.check_alive()
            time.sleep(0.0005)
    raise Failure(f"{server.name} did not answer within {START_TIMEOUT:.0f} s\n{server.log_tail()}")
