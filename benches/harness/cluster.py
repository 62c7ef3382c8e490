"""A private PostgreSQL cluster in the run's folder, durable as a production server is."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from .servers import Failure, clean_environment, free_port

SUPERUSER = "bench"
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
max_connections = 200
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = 4GB
checkpoint_timeout = 15min
shared_buffers = {buffers}MB
effective_cache_size = {cache}MB
work_mem = 8MB
maintenance_work_mem = 256MB
random_page_cost = 1.1
jit = off
"""
RECORDED = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "wal_sync_method")


def find_binaries() -> Path:
    """The folder with initdb and pgbench: from pg_config, the usual package folders, or PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    if shutil.which("pg_config"):
        shown = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True)
        candidates.append(Path(shown.stdout.strip()))
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).parent)
    for folder in candidates:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "psql", "pgbench")):
            return folder
    raise Failure("PostgreSQL 15 or newer is needed with pgbench: on Debian, apt-get install postgresql")


class Cluster:
    def __init__(self, scratch: Path, memory_mb: int):
        self.binaries = find_binaries()
        self.port = free_port()
        self.folder = scratch / "postgresql"
        self.data = self.folder / "data"
        self.memory_mb = memory_mb
        self.owner = self._owner()

    @staticmethod
    def _owner() -> dict[str, object]:
        """PostgreSQL refuses to run as root; its package has made a user for it."""
        if os.geteuid() != 0:
            return {}
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            raise Failure("as root, PostgreSQL needs a user named postgres: run as another user, or create it") from None
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str, timeout: float = 120, **options) -> str:
        # Output goes through a file: the server inherits it from pg_ctl, and a pipe would never end.
        transcript = self.folder / f"{program}.out"
        with open(transcript, "wb") as out:
            done = subprocess.run(
                [str(self.binaries / program), *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=clean_environment({}),
                timeout=timeout,
                **options,
            )
        text = transcript.read_text(errors="replace")
        if done.returncode != 0:
            raise Failure(f"{program} failed:\n{text[-2000:]}")
        return text

    def start(self) -> None:
        self.folder.mkdir()
        if self.owner:
            os.chown(self.folder, self.owner["user"], self.owner["group"])
        self._run(
            "initdb", "-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", **self.owner
        )
        buffers = max(128, min(1024, self.memory_mb // 4))
        with open(self.data / "postgresql.conf", "a") as settings:
            cache = max(256, self.memory_mb // 2)
            settings.write(SETTINGS.format(port=self.port, sockets=self.folder, buffers=buffers, cache=cache))
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "server.log"), "-w", "start", **self.owner)

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop", **self.owner)

    def url(self, database: str) -> str:
        return f"postgres://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        self.sql("postgres", "-c", f"create database {name}")
        return self.url(name)

    def sql(self, database: str, *arguments: str) -> str:
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), *arguments, timeout=600).strip()

    def checkpoint(self) -> None:
        """Before each run of writes, so that none pays for the one before it."""
        self.sql("postgres", "-c", "checkpoint")

    def settings(self) -> dict[str, str]:
        return {name: self.sql("postgres", "-c", f"show {name}") for name in RECORDED}
