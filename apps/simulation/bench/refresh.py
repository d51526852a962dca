"""A refresh from Postgres to the active snapshot, learning included, in a process of its own.

Gives time, CPU, memory and size: once of everything, and once with the models kept after a member in a
hundred changed. A release with many rules is live, so that the snapshot comes with their masks. Peak memory
is the most that the process ever had in RAM, with the file pages that it mapped.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection, transaction

from apps.common.changes import record_changes
from apps.pipeline.snapshot import open_snapshot
from apps.pipeline.table import DIMENSIONS
from apps.pipeline.vectors import DTYPES, VECTORS
from apps.refresh.models import SnapshotRow
from apps.refresh.selectors import snapshot_folder
from apps.releases.services import start_revision
from apps.simulation.bench.market import ensure_market_of
from apps.simulation.bench.rulebook import with_rules
from apps.simulation.bench.serving import SURFACES, publish

CHANGED_EVERY = 100  # members
_CHANGE = """
UPDATE members_member SET max_distance_km = 10 + (coalesce(max_distance_km, 0) + 15) %% 90, updated_at = now()
WHERE number %% %s = 0 RETURNING number
"""

Say = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 1_000_000
    repeat: int = 1
    rules: int = 100  # live on each surface of members


def bench_refresh(plan: Plan, say: Say) -> dict[str, float | None]:
    """Figures by name, medians of the repeats."""
    ensure_market_of(plan.members, say)
    publish_rules(plan.rules)
    rounds = []
    for _ in range(plan.repeat):
        figures = {f"{name}_full": value for name, value in _refreshed(say).items()}
        say(f"{_change():,} members changed")
        figures |= {f"{name}_incremental": value for name, value in _refreshed(say, "--keep-models").items()}
        rounds.append(figures)
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    peak = max(medians["peak_gib_full"], medians["peak_gib_incremental"])
    return {**medians, "peak_gib": peak, **_sizes(), **_counts()}


def publish_rules(rules: int) -> None:
    draft = start_revision(actor=None, title="Benchmark")
    draft.content = with_rules(draft.content, *SURFACES, rules=rules, flags=0, experiments=0)
    publish(draft)


def _refreshed(say: Say, *options: str) -> dict[str, float]:
    """Minutes, GiB and seconds per step of one refresh. Raises CommandError when it failed."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "refresh", *options],
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandError(f"The refresh ended with {process.returncode}.")
    minutes = (time.monotonic() - start) / 60
    seconds: dict[str, float] = _active().report["seconds"]
    peak = used.ru_maxrss / 2**20
    said = ", ".join(f"{name} {took:.1f}" for name, took in seconds.items())
    say(f"refreshed in {minutes:.2f} minutes, at most {peak:.2f} GiB; seconds of {said}")
    steps = {f"seconds_{name.replace(' ', '_')}": took for name, took in seconds.items()}
    cpu = (used.ru_utime + used.ru_stime) / 60
    return {"minutes": minutes, "cpu_minutes": cpu, "peak_gib": peak, **steps}


def _change() -> int:
    """How many members changed, as the services record it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CHANGE, [CHANGED_EVERY])
        numbers = [number for (number,) in cursor.fetchall()]
        record_changes("member.saved", numbers)
    return len(numbers)


def _sizes() -> dict[str, float]:
    """Bytes on disk per member: of one surface of members; of what lies beside the surfaces, and of it the
    masks of rules; of who looks at places. What is of places alone is only in the sum."""
    row = _active()
    snapshot = open_snapshot(snapshot_folder(row.id), verify=False)
    surfaces = snapshot.surfaces.values()
    of_members = [data for data in surfaces if data.kind == "member"]
    surface_bytes = sum(_bytes(f"{data.key}.*", row.id) for data in of_members)
    of_places = [data.key for data in surfaces if data.kind != "member"]
    place_bytes = sum(_bytes(f"{key}.*", row.id) for key in of_places)
    rows, members = (each(len(data.candidates) for data in of_members) for each in (sum, max))
    beside = _bytes("**/*", row.id) - surface_bytes - place_bytes
    return {
        "bytes_per_member": surface_bytes / rows,
        **_as_if_stored(surface_bytes / rows, snapshot.manifest["vectors"]),
        "bytes_beside_per_member": beside / members,
        "bytes_of_masks_per_member": _bytes("rules/**/*", row.id) / members,
        "bytes_of_viewers_per_member": sum(_bytes(f"{key}.viewer*", row.id) for key in of_places) / members,
        "snapshot_gib": row.bytes / 2**30,
    }


def _as_if_stored(bytes_per_member: float, vectors: str) -> dict[str, float]:
    """The same for each way of storing vectors: files differ by the size of these numbers, and by nothing
    else."""
    size = {name: len(VECTORS) * DIMENSIONS * np.dtype(dtype).itemsize for name, dtype in DTYPES.items()}
    return {f"bytes_per_member_{name}": bytes_per_member - size[vectors] + size[name] for name in DTYPES}


def _bytes(pattern: str, snapshot_id: str) -> int:
    return sum(file.stat().st_size for file in snapshot_folder(snapshot_id).glob(pattern) if file.is_file())


def _counts() -> dict[str, float]:
    figures = {}
    with connection.cursor() as cursor:
        for name, table in (("members", "members_member"), ("events", "interactions_event")):
            cursor.execute(f"SELECT count(*) FROM {table}")
            figures[name] = float(cursor.fetchone()[0])
    return figures


def _active() -> Any:
    return SnapshotRow.objects.get(status=SnapshotRow.Status.ACTIVE)
