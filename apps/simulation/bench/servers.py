"""What the stores say of themselves, for benchmarks on the machine that they run on: CPU, and who asked what.

A connection that speaks while nobody asks for anything is background polling, and is not counted as a
request's.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from apps.common.valkey import background_client
from apps.simulation.bench.processes import cpu_seconds

IDLE_SECONDS = 3.0  # every poll speaks within
_STATEMENT = re.compile(
    r"\[(\d+)\] LOG: +(?:statement|execute [^:]*):"
)  # as Postgres logs it, with its process


def asked_of_stores(send: Callable[[], int]) -> dict[str, float]:
    """Postgres queries and Valkey round trips per request, of the requests that `send` makes and counts."""
    with _statements_logged() as statements:
        client_before, log_before = _commands(), statements()
        time.sleep(IDLE_SECONDS)
        client_idle, log_idle = _commands(), statements()
        requests = send()
        client_after, log_after = _commands(), statements()
    queries = _spoken(log_before, log_idle, log_after)
    round_trips = _spoken(client_before, client_idle, client_after)
    return {"postgres_queries": queries / requests, "valkey_round_trips": round_trips / requests}


def _spoken(before: Counter[str], idle: Counter[str], after: Counter[str]) -> int:
    """How often those spoke at last who were silent when idle."""
    background = {who for who in idle if idle[who] != before[who]}
    return sum(count - idle[who] for who, count in after.items() if who not in background)


def _commands() -> Counter[str]:
    """How many commands each connection to Valkey has sent; those within a script are not among them."""
    clients: Any = background_client().client_list()
    return Counter({client["id"]: int(client["tot-cmds"]) for client in clients})


@contextmanager
def _statements_logged() -> Iterator[Callable[[], Counter[str]]]:
    """Has Postgres log every statement; gives how many each of its processes has carried out since."""
    log = Path(f"/proc/{_postmaster()}/fd/2")
    start = log.stat().st_size
    _set_logging("SET log_statement = 'all'")
    try:

        def statements() -> Counter[str]:
            with log.open("rb") as file:
                file.seek(start)
                return Counter(_STATEMENT.findall(file.read().decode(errors="replace")))

        yield statements
    finally:
        _set_logging("RESET log_statement")


def _set_logging(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SYSTEM {how}")
        cursor.execute("SELECT pg_reload_conf()")
    time.sleep(0.5)  # until every process has read it


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


def valkey_cpu_seconds() -> float:
    info: dict[str, Any] = background_client().info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
