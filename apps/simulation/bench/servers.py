"""What the stores say of themselves, for benchmarks on the machine that they run on: CPU, and who asked what.

A connection that says what is also said while nobody asks for anything is background polling, and is not
counted as a request's.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from django.core.management.base import CommandError
from django.db import connection

from apps.common.valkey import background_client
from apps.simulation.bench.processes import Cpu, cpu_seconds

IDLE_SECONDS = 3.0  # every poll speaks within
SETTLE_SECONDS = 0.5  # until every process knows, and what was said is written down
# Of a new connection to Valkey; a request has one already.
GREETING = frozenset({"AUTH", "CLIENT", "HELLO", "INFO", "SELECT"})
_STATEMENT = re.compile(r"\[(\d+)\] LOG: +(?:statement|execute [^:]*): (.*)")

Said = list[tuple[str, str]]  # who (a connection), and the beginning of what


@contextmanager
def stores_watched() -> Iterator[Callable[[Callable[[], int]], dict[str, float]]]:
    """Gives what tells the Postgres queries and Valkey round trips per request, of requests that a function
    makes and counts. What the background says is heard first, once; nobody may ask for anything meanwhile."""
    with _statements_logged() as statements, _commands_watched() as commands:
        time.sleep(IDLE_SECONDS)
        idle = statements(), commands()

        def asked_by(send: Callable[[], int]) -> dict[str, float]:
            time.sleep(SETTLE_SECONDS)
            before = statements(), commands()
            requests = send()
            time.sleep(SETTLE_SECONDS)
            queries, round_trips = (
                len(for_requests(quiet, [*quiet, *every[len(begun) :]]))
                for quiet, begun, every in zip(idle, before, (statements(), commands()), strict=True)
            )
            return {"postgres_queries": queries / requests, "valkey_round_trips": round_trips / requests}

        yield asked_by


def for_requests(idle: Said, every: Said) -> Said:
    """What was said after `idle`, its beginning, by those who never say what is said there."""
    polled = {what for _, what in idle}
    background = {who for who, what in every if what in polled}
    return [(who, what) for who, what in every[len(idle) :] if who not in background]


@contextmanager
def _commands_watched() -> Iterator[Callable[[], Said]]:
    """The commands of each connection to Valkey so far; those within a script are not among them."""
    said: Said = []
    client: Any = background_client()
    with client.monitor() as monitor:

        def listen() -> None:
            with suppress(redis.RedisError, OSError, ValueError):  # the end of watching
                for one in monitor.listen():
                    words = one["command"].split(maxsplit=2)
                    if one["client_type"] != "lua" and words[0] not in GREETING:
                        who = f"{one['client_address']}:{one['client_port']}"
                        said.append((who, " ".join(words[:2])))

        threading.Thread(target=listen, daemon=True).start()
        yield lambda: list(said)


@contextmanager
def _statements_logged() -> Iterator[Callable[[], Said]]:
    """Has Postgres log every statement; gives what each of its processes has carried out since."""
    log = Path(f"/proc/{_postmaster()}/fd/2")
    start = log.stat().st_size
    _set_logging("SET log_statement = 'all'")
    try:

        def statements() -> Said:
            with log.open("rb") as file:
                file.seek(start)
                return _STATEMENT.findall(file.read().decode(errors="replace"))

        yield statements
    finally:
        _set_logging("RESET log_statement")


def _set_logging(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SYSTEM {how}")
        cursor.execute("SELECT pg_reload_conf()")
    time.sleep(SETTLE_SECONDS)


def postgres_cpu_seconds() -> float:
    """Of the server with all its backends and writers. Raises CommandError when it runs elsewhere."""
    return cpu_seconds(_postmaster())


def _postmaster() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    try:
        return int(backend.read_text().rpartition(")")[2].split()[1])
    except OSError:
        raise CommandError("Postgres runs on another machine: it can't be watched.") from None


def valkey_cpu() -> Cpu:
    info: dict[str, Any] = background_client().info("cpu")
    return Cpu(float(info["used_cpu_user"]), float(info["used_cpu_sys"]))


def valkey_cpu_seconds() -> float:
    return valkey_cpu().total
