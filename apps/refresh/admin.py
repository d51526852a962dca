"""Snapshots and the jobs that build them: how old, how large, which one serves, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils.timesince import timesince
from unfold.decorators import display

from apps.common.audit import record
from apps.common.clock import now
from apps.common.errors import Conflict
from apps.common.local_time import written
from apps.common.staff import Button, Grid, Heading, InspectAdmin, Section
from apps.learning.judged_rows import (
    GROUPED,
    JUDGED,
    PREDICTED,
    TOLD,
    Learnt,
    grouped_rows,
    judged,
    judged_rows,
    predicted_rows,
)
from apps.learning.judging import SMALLEST_GROUP
from apps.pipeline.snapshot import SnapshotRefused
from apps.refresh.models import RefreshJob, SnapshotRow

SNAPSHOT_COLOURS = {"active": "success", "ready": "info", "removed": "warning"}
JOB_COLOURS = {"done": "success", "running": "info", "queued": "info", "failed": "danger"}
MARKS = {"success": "good", "info": "info", "warning": "warn", "danger": "bad"}


@admin.register(SnapshotRow)
class SnapshotAdmin(InspectAdmin):
    list_display = ("id", "state", "age", "size", "counted")
    list_display_links = ("id",)
    list_per_page = 50
    sortable_by = ()

    @display(description="Status", label=SNAPSHOT_COLOURS)
    def state(self, obj: SnapshotRow) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Age")
    def age(self, obj: SnapshotRow) -> str:
        return timesince(obj.built_at, depth=1)

    @display(description="On disk")
    def size(self, obj: SnapshotRow) -> str:
        return filesizeformat(obj.bytes) if obj.bytes else "–"

    @display(description="Candidates")
    def counted(self, obj: SnapshotRow) -> str:
        counts = sorted(obj.counts.items())
        return ", ".join(f"{surface} {count.get('candidates', 0):,}" for surface, count in counts) or "–"

    def heading(self, request: HttpRequest, obj: SnapshotRow) -> Heading:
        age = timesince(obj.built_at, depth=1)
        line = f"Built {age} ago from data until {written(obj.data_until)}"
        return Heading(obj.id, line, marks=[(obj.get_status_display(), MARKS[SNAPSHOT_COLOURS[obj.status]])])

    def buttons(self, request: HttpRequest, obj: SnapshotRow) -> list[Button]:
        if obj.status != "ready" or not request.user.has_perm("refresh.change_snapshotrow"):
            return []
        consequence = "Every web process serves it within a second, until the next refresh makes a newer one."
        return [Button("activate", "Serve this one", consequence)]

    def press(self, request: HttpRequest, obj: SnapshotRow, name: str) -> str:
        from apps.refresh.services import activate_snapshot

        assert isinstance(request.user, User)
        try:
            activate_snapshot(obj.id, actor=request.user)
        except SnapshotRefused as error:
            raise Conflict(f"Snapshot {obj.id} can't be served: {error}") from error
        return f"Snapshot {obj.id} is served now. The next refresh makes a newer one."

    def sections(self, request: HttpRequest, obj: SnapshotRow) -> list[Section]:
        facts = [
            ("Built", obj.built_at),
            ("Data until", obj.data_until),
            ("Last activated", obj.activated_at),
            ("On disk", self.size(obj)),
        ]
        rows = [
            (key, count.get("viewers"), count.get("candidates")) for key, count in sorted(obj.counts.items())
        ]
        counts = Grid(("Surface", "Viewers", "Candidates"), rows, "Nothing was counted.", numeric=(1, 2))
        report = Grid(("What", "Result"), list(_lines(_rest(obj.report))), "No report was kept.")
        return [
            Section("Snapshot", facts),
            Section("Counts", grid=counts),
            *_predictions(obj.report.get("learnt", {})),
            Section("Report", grid=report),
        ]


@admin.register(RefreshJob)
class RefreshJobAdmin(InspectAdmin):
    list_display = ("key", "state", "step", "attempts", "started", "took")
    list_display_links = ("key",)
    list_per_page = 50
    sortable_by = ()
    list_before_template = "console/refresh_now.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; posted to, it asks for a refresh."""
        may_refresh = request.user.has_perm("refresh.add_refreshjob")
        if request.method == "POST":
            if not may_refresh:
                raise PermissionDenied
            return self._ask(request)
        return super().changelist_view(request, {**(extra_context or {}), "may_refresh": may_refresh})

    def _ask(self, request: HttpRequest) -> HttpResponse:
        from celery import current_app
        from kombu.exceptions import OperationalError

        try:
            current_app.send_task("refresh.refresh", kwargs={"key": f"by hand {now():%Y-%m-%d %H:%M:%S}"})
            assert isinstance(request.user, User)
            record(request.user, "refresh.asked", "refresh", None, None)
            messages.success(request, "A refresh was asked for. The old snapshot serves until it is done.")
        except (OperationalError, OSError):
            messages.error(
                request, "The broker is away, so nothing was asked for. The old snapshot serves on."
            )
        return redirect(request.path)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefreshJob]:
        return super().get_queryset(request).select_related("snapshot")

    @display(description="Status", label=JOB_COLOURS)
    def state(self, obj: RefreshJob) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Started")
    def started(self, obj: RefreshJob) -> str:
        return written(obj.created_at, with_seconds=True)

    @display(description="Took")
    def took(self, obj: RefreshJob) -> str:
        return f"{(obj.finished_at - obj.created_at).total_seconds():.1f} s" if obj.finished_at else "–"

    def heading(self, request: HttpRequest, obj: RefreshJob) -> Heading:
        return Heading(obj.key, marks=[(obj.get_status_display(), MARKS[JOB_COLOURS[obj.status]])])

    def sections(self, request: HttpRequest, obj: RefreshJob) -> list[Section]:
        facts: list[tuple[str, Any]] = [
            ("Step", obj.step),
            ("Attempts", obj.attempts),
            ("Started", obj.created_at),
            ("Finished", obj.finished_at),
            ("Snapshot", obj.snapshot_id),
        ]
        sections = [Section("Job", facts)]
        return [*sections, Section("Error", [("What went wrong", obj.error)])] if obj.error else sections


def _predictions(learnt: Learnt) -> list[Section]:
    """What is predicted, how well, and for whom; nothing where nothing was judged."""
    rows = judged_rows(learnt)
    if not rows:
        return []
    together = (
        "On labels later than those that a model was fitted on. Intervals are of 95 %, by who decided. An "
        "AUC of one half is a coin; over the light one: how much higher than by the chance of a like. The "
        "calibration error is how far what was foretold is from what happened; perfect chances show what is "
        "chance, too."
    )
    apart = (
        f"By who decided. Groups under {SMALLEST_GROUP:,} labels are put together; where they are fewer even "
        "then, only their number is told."
    )
    return [
        Section("Predictions", grid=Grid(JUDGED, rows, numeric=(2, 3, 4, 5, 6)), note=together),
        Section("What they say", grid=Grid(PREDICTED, predicted_rows(learnt))),
        Section(
            "Calibration by group", grid=Grid(GROUPED, grouped_rows(learnt), numeric=(3, 4, 5, 6)), note=apart
        ),
    ]


def _rest(report: dict[str, Any]) -> dict[str, Any]:
    """The report without what the tables of predictions say."""
    learnt = {surface: dict(said) for surface, said in report.get("learnt", {}).items()}
    for surface, name, said in judged(learnt):
        learnt[surface][name] = {key: value for key, value in said.items() if key not in TOLD}
    return {**report, "learnt": learnt} if learnt else report


def _lines(report: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """A nested report as lines: "seconds, reading" 0.36."""
    for key, value in report.items():
        name = f"{above}, {key}" if above else key
        if isinstance(value, dict):
            yield from _lines(value, name)
        else:
            yield name.replace("_", " "), value
