"""Which snapshot is active, and where a snapshot lies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.common.prepared import rows_of
from apps.refresh.models import SnapshotRow


def active_snapshot_id() -> str | None:
    """The snapshot that web processes should serve; none before the first refresh."""
    rows = rows_of("SELECT id FROM refresh_snapshot WHERE status = %s", [SnapshotRow.Status.ACTIVE.value])
    return rows[0][0] if rows else None


def snapshot_folder(snapshot_id: str) -> Path:
    """The folder of a snapshot below SNAPSHOT_DIR. Raises ValueError on an id that is no folder name."""
    if not snapshot_id.replace("-", "").isalnum():
        raise ValueError(f"{snapshot_id!r} is not the id of a snapshot")
    return Path(settings.SNAPSHOT_DIR) / snapshot_id


def learnt_report() -> Mapping[str, Mapping[str, Any]]:
    """By surface, what the active snapshot learnt and how well; empty before the first refresh."""
    active = SnapshotRow.objects.filter(status=SnapshotRow.Status.ACTIVE)
    report = active.values_list("report", flat=True).first() or {}
    learnt: Mapping[str, Mapping[str, Any]] = report.get("learnt", {})
    return learnt


def learnt_predictions() -> Mapping[str, frozenset[str]]:
    """By surface, the predictions that the active snapshot makes: "like" wherever it learnt anything."""
    found: dict[str, frozenset[str]] = {}
    for surface, said in learnt_report().items():
        anything = any(said.get(name) for name in ("decisions", "likes", "saves"))
        found[surface] = frozenset({"like"} if anything else ()) | frozenset(said.get("models", ()))
    return found
