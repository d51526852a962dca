"""manage.py refresh: learns from what is in Postgres and activates a new snapshot, step by step."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.common.errors import Problem
from apps.learning.judged_rows import judged_rows
from apps.learning.judging import BOUND
from apps.pipeline.snapshot import SnapshotRefused
from apps.refresh import jobs
from apps.refresh.models import SnapshotRow
from apps.refresh.services import refresh

FOR_EVER = timedelta(days=10_000)


class Command(BaseCommand):
    help = "Learns from what is in Postgres, writes a snapshot, checks it and activates it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--key", help="do this once: a second call with the same key changes nothing")
        parser.add_argument(
            "--keep-models",
            action="store_true",
            help="read members, places and connections anew, but keep what the active snapshot learnt",
        )
        parser.add_argument(
            "--wait", type=float, default=60.0, help="seconds to wait for another refresh to end (default 60)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            keep = FOR_EVER if options["keep_models"] else timedelta(0)
            row = self._refresh(options["key"], keep, time.monotonic() + options["wait"])
        except (Problem, SnapshotRefused) as error:
            raise CommandError(str(error)) from error
        for surface, counts in row.counts.items():
            self.stdout.write(
                f"{surface}: {counts['candidates']:,} candidates, {counts['viewers']:,} viewers"
            )
        for surface, learnt in row.report.get("learnt", {}).items():
            self._say_quality(surface, learnt)
        self.stdout.write(self.style.SUCCESS(f"Active: {row.id} ({row.bytes / 1e6:.1f} MB)"))

    def _refresh(self, key: str | None, keep: timedelta, until: float) -> SnapshotRow:
        said = False
        while True:
            try:
                return refresh(key=key, progress=self.stdout.write, keep_models=keep)
            except jobs.RefreshBusy:
                if time.monotonic() >= until:
                    raise
                if not said:
                    self.stdout.write(
                        "Another refresh runs, or was stopped a moment ago: waiting for its lease."
                    )
                said = True
                time.sleep(1)

    def _say_quality(self, surface: str, learnt: dict[str, Any]) -> None:
        for _, name, labels, auc, lead, error, chance, holds in judged_rows({surface: learnt}):
            self.stdout.write(
                f"{surface}: {name}: AUC {auc}, over the light one {lead}, calibration error {error}, of it "
                f"chance {chance}, within {BOUND}: {holds}; on {labels} later ones"
            )
        if "heavy" in learnt:
            found = learnt["heavy"]
            self.stdout.write(
                f"{surface}: heavy ranker {'on' if found['used'] else 'off'}, log loss lower by "
                f"{found['gain']:.4f} ({found['gain_low']:.4f} to {found['gain_high']:.4f})"
            )
