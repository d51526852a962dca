"""CPU time of the stores, for benchmarks on the machine that they run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from apps.common.valkey import background_client
from apps.simulation.bench.processes import cpu_seconds


def postgres_cpu_seconds() -> float:
    """Of the server with all its backends and writers. Raises CommandError when it runs elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    try:
        parent = int(backend.read_text().rpartition(")")[2].split()[1])
    except OSError:
        raise CommandError("Postgres runs on another machine: its CPU time can't be read.") from None
    return cpu_seconds(parent)


def valkey_cpu_seconds() -> float:
    info: dict[str, Any] = background_client().info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
