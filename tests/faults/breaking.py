"""Ways to take a part away and to give it back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import psutil

from tests.faults.site import Site, wait_until
from tests.frozen import frozen


def outage(site: Site, name: str) -> AbstractContextManager[None]:
    """A store is away while the block runs."""
    servers = site.servers
    ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "Postgres hangs": lambda: frozen(servers.postgres_pid),
        "Postgres is killed": lambda: killed(servers.stop_postgres, servers.start_postgres),
        "Valkey hangs": lambda: frozen(servers.valkey_pid),
        "Valkey is killed": lambda: killed(servers.stop_valkey, servers.start_valkey),
    }
    return ways[name]()


@contextmanager
def killed(stop: Callable[..., None], start: Callable[[], None]) -> Iterator[None]:
    stop(kill=True)
    try:
        yield
    finally:
        start()


def web_processes(site: Site) -> list[psutil.Process]:
    """Those that answer, the oldest first: the server starts another when one ends."""
    found = []
    for process in psutil.Process(site.web.pid).children():
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in "".join(
                process.cmdline()
            ):
                found.append(process)
    return sorted(found, key=lambda process: process.create_time())


def kill(process: psutil.Process) -> None:
    """With SIGKILL; returns when it is gone."""
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not _is_there(process), f"the end of {process.pid}", 10)


def _is_there(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
