"""A server under test as a child process: started, waited for, its cost read from /proc, stopped."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120
UNLIMITED = {"API_RATE_PER_SECOND": "1000000", "API_RATE_BURST": "1000000"}
DRIVER = Path(__file__).with_name("driver.py")


@dataclass(frozen=True)
class Cpu:
    """Seconds of CPU, of the user and of the system."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system

    def __add__(self, other: Cpu) -> Cpu:
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user - other.user, self.system - other.system)


def api(*, workers: int, **env: str) -> AbstractContextManager[tuple[int, int]]:
    """Port and process id of the API, served as it always is, but to anybody as often as they ask."""
    here = {"RAYA_RECS_PROCESS": "api", "PYTHONPATH": str(settings.BASE_DIR), **UNLIMITED}
    return _serving(
        [sys.executable, "-m", "raya_recs.serve", "--threads"], here | env, workers, "/health/ready"
    )


def empty_view(*, workers: int) -> AbstractContextManager[tuple[int, int]]:
    """The same of a Django view that does nothing, with the same options of the same server."""
    here = {"BENCH_EMPTY_VIEW": "1", "PYTHONPATH": str(settings.BASE_DIR)}
    command = [str(Path(sys.executable).with_name("granian")), "--interface", "wsgi", "--no-ws"]
    command += ["apps.simulation.bench.empty_view:application", "--blocking-threads"]
    return _serving(command, here, workers, "/")


@contextmanager
def _serving(
    command: Sequence[str], env: Mapping[str, str], workers: int, ready_path: str
) -> Iterator[tuple[int, int]]:
    port = _free_port()
    options = ["4", "--port", str(port), "--workers", str(workers), "--backpressure", "64"]
    process = subprocess.Popen([*command, *options, "--log-level", "error"], env={**os.environ, **env})
    try:
        _wait_for(process, f"http://127.0.0.1:{port}{ready_path}")
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def drive(
    port: int,
    seconds: float,
    connections: int,
    paths: list[str],
    headers: Mapping[str, str],
    **open_loop: Any,
) -> dict[str, Any]:
    """What the load driver saw; see there for `rates` and `windows`."""
    work = json.dumps({"paths": paths, "headers": dict(headers), **open_loop})
    command = [sys.executable, str(DRIVER), str(port), str(seconds), str(connections)]
    done = subprocess.run(
        command, input=work, capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode:
        raise CommandError(f"The load driver failed: {done.stderr[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def cpu_of(pid: int) -> Cpu:
    """Of a process and all its descendants, those that have ended included."""
    ticks = [[int(one) for one in fields[11:15]] for fields in _family(pid).values()]
    return Cpu(*(sum(one[kind] + one[kind + 2] for one in ticks) / TICK for kind in (0, 1)))


def cpu_of_this() -> Cpu:
    """Of this process alone, finer than in ticks."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Cpu(used.ru_utime, used.ru_stime)


def cpu_seconds(pid: int) -> float:
    """User and system time together."""
    return cpu_of(pid).total


def private_mb(pid: int) -> float:
    """Memory that is only its own, of the largest among a process and its descendants.

    Pages that it wrote: what it merely reads of a file is the kernel's to take back.
    """
    return _most_mb(pid, "Private_Dirty:")


def shared_mb(pid: int) -> float:
    """Pages written before the workers were forked, which they share; of the worker with the most."""
    return _most_mb(pid, "Shared_Dirty:")


def _most_mb(pid: int, kind: str) -> float:
    found = [0]
    for one in _family(pid):
        with suppress(OSError):  # it ended meanwhile
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            found += [int(line.split()[1]) for line in lines if line.startswith(kind)]
    return max(found) / 1024


def _family(pid: int) -> dict[int, list[str]]:
    """The process and all its descendants, with what /proc says of each from its state on."""
    every: dict[int, list[str]] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            every[int(folder.name)] = fields
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, waiting = {}, [pid]
    while waiting:
        one = waiting.pop()
        if one in every:
            found[one] = every[one]
        waiting += children.get(one, [])
    return found


def _wait_for(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(f"The server ended with {process.returncode}.")
        try:
            with urllib.request.urlopen(address, timeout=60):
                return
        except OSError:
            time.sleep(0.2)
    raise CommandError(f"The server was not ready after {START_SECONDS} s.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
