"""What a figure means nothing without: the machine, the disk under the databases, versions, the commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path


def memory_mb() -> int:
    return int(re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())[1]) // 1024


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def file_system(folder: Path) -> str:
    """The type of the file system that holds `folder`."""
    best, kind = "", "unknown"
    resolved = str(folder.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, this_kind, *_ = line.split()
        inside = resolved == point or resolved.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, this_kind
    return kind


def flushes_per_second(folder: Path, seconds: float = 1.0) -> float:
    """How often one thread can append 4 kB and have them on the disk: the floor under every durable write."""
    file = folder / "flush-probe"
    block = b"x" * 4096
    count = 0
    with open(file, "wb", buffering=0) as out:
        began = time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            out.write(block)
            os.fdatasync(out.fileno())
            count += 1
    file.unlink()
    return count / taken


def describe(scratch: Path) -> dict:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": memory_mb(),
        "kernel": f"{platform.system()} {platform.release()}",
        "file_system": file_system(scratch),
        "flushes_per_second": round(flushes_per_second(scratch)),
        "load_average_at_start": round(os.getloadavg()[0], 2),
    }


def _output(command: list[str], cwd: Path | None = None) -> str:
    """What `command` says, wherever it says it; empty if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=cwd, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip()


def _commit(repository: Path) -> str:
    head = _output(["git", "rev-parse", "--short=12", "HEAD"], repository) or "unknown"
    changed = _output(["git", "status", "--porcelain"], repository)
    return f"{head} with uncommitted changes" if changed else head


def _version(command: list[str]) -> str:
    """The first line without the program's own name: `rustc 1.95.0 (…)` is `1.95.0 (…)`."""
    lines = _output(command).splitlines() or ["unknown"]
    return lines[0].split("Copyright")[0].removeprefix(command[0]).strip()


def versions(repository: Path, postgres: str) -> dict:
    return {
        "commit": _commit(repository),
        "rustc": _version(["rustc", "--version"]),
        "PostgreSQL": postgres,
        "wrk": _version(["wrk", "--version"]),
    }
