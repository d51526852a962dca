"""One delivery as staff read it: who was shown and why, and what each stage received, kept and changed.

Takes a Delivery row, gives sections. It reads nothing but Postgres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.common.staff import Grid, Section
from apps.delivery.reasons import in_words
from apps.delivery.services import LIKED_YOU
from apps.interactions.admin import link_to, names_of
from apps.interactions.models import Delivery
from apps.pipeline.lineup import LINEUPS, source_names
from apps.surfaces.models import Market, Surface

STAGE_KEYS = ("stage", "received", "kept")
SOURCES = frozenset(source.name for lineup in LINEUPS.values() for source in lineup.sources)
GUARDED = (("gone", "gone meanwhile"), ("capped", "at a cap"))


def delivery_sections(delivery: Delivery, *, private: bool) -> list[Section]:
    """Facts, the funnel, the list, the stages. Without `private`, nothing tells who likes the viewer."""
    surface = Surface.objects.filter(key=delivery.surface).first()
    kind = surface.kind if surface else "member"
    told = frozenset() if private or kind != "member" else frozenset({LIKED_YOU})
    return [
        _facts(delivery),
        _funnel(delivery, told),
        _sources(delivery, told),
        _shown(delivery, kind, told),
        _stages(delivery, told),
    ]


def _facts(delivery: Delivery) -> Section:
    names = names_of([("member", delivery.viewer)])
    market = Market.objects.filter(id=delivery.market).first() if delivery.market is not None else None
    release = format_html(
        '<a href="{}">Release {}</a>', reverse("admin:release", args=[delivery.release]), delivery.release
    )
    variants = [f"{key}: {value}" for key, value in delivery.variants.items() if key != "salts"]
    missing = delivery.shortfall.get("missing", 0)
    why = ", ".join(delivery.shortfall.get("reasons", [])).replace("_", " ")
    short = f"{missing} missing: {why}" if missing else None
    facts: list[tuple[str, Any]] = [
        ("Viewer", link_to(names, "member", delivery.viewer)),
        ("Market", market.name if market else None),
        ("Asked for", delivery.requested),
        ("Shown", len(delivery.candidates)),
        ("Why short", short),
        ("Release", release),
        ("Snapshot", delivery.snapshot),
        ("Flags", variants),
        ("Seed", str(delivery.seed)),
        ("Service key", delivery.key_prefix),
        ("Copied to Postgres", delivery.copied_at),
    ]
    return Section("Delivery", facts)


def funnel_of(trace: Sequence[Mapping[str, Any]], *, without: frozenset[str]) -> list[tuple[str, int, str]]:
    """From everybody in the market to who was shown: label, how many were left, what is to say of it.

    What a trace says of the market of a trip stays out of it.
    """
    by_stage = {stage["stage"]: stage for stage in trace if "market" not in stage}
    steps: list[tuple[str, int, str]] = []
    if (filters := by_stage.get("filters") or by_stage.get("eligible")) is not None:
        steps.append(("In the market", filters["received"], ""))
        steps.append(("Passed the filters", filters["kept"], ""))
    ours = sorted(name for name in SOURCES - without if name in by_stage)
    kept = ", ".join(f"{_words(name)} {by_stage[name]['kept']}" for name in ours)
    if (room := by_stage.get("room")) is not None:
        found = ", ".join(f"{_words(name)} {found_by(by_stage[name])}" for name in ours)
        steps.append(("Proposed by a source", room["received"], found))
        steps.append(("Had room", room["kept"], kept))
    if (score := by_stage.get("score")) is not None:
        if room is None:
            steps.append(("Proposed by a source", score["received"], kept))
        steps.append(("Ranked", score["kept"], ""))
    if (guard := by_stage.get("guard")) is not None:
        lost = [f"{guard[name]} {word}" for name, word in GUARDED if guard.get(name)]
        steps.append(("Shown", guard["kept"], ", ".join(lost)))
    return steps


def found_by(stage: Mapping[str, Any]) -> int:
    """How many a source proposed, by its stage of a trace; fewer may have had room."""
    return int(stage.get("found", stage["kept"]))


def _sources(delivery: Delivery, without: frozenset[str]) -> Section:
    """What each source brought, and why one brought nobody."""
    rows = [
        (
            _words(stage["stage"]).capitalize(),
            found_by(stage),
            stage["kept"],
            stage.get("least", ""),
            "" if "ms" not in stage else f"{stage['ms']:.2f}",
            _remark(stage),
        )
        for stage in delivery.trace
        if stage.get("stage") in SOURCES - without
    ]
    head = ("Source", "Found", "Kept", "Minimum", "ms", "Remark")
    note = (
        "Kept: for whom there was room. Minimum: how much of the room is the source's, as far as it finds "
        "so many. Who was found by several counts with each."
    )
    return Section("Sources", grid=Grid(head, rows, "None was asked.", numeric=(1, 2, 3, 4)), note=note)


def _remark(stage: Mapping[str, Any]) -> str:
    if "skipped" in stage:
        return f"skipped: {stage['skipped']}"
    if "lost" in stage:
        return f"lost: {stage['lost']}" + (f" in {stage['market']}" if "market" in stage else "")
    return f"late: {stage['late']}" if "late" in stage else ""


def _funnel(delivery: Delivery, without: frozenset[str]) -> Section:
    rows = [
        (label, bar(left, top), f"{left:,}", said)
        for steps in [funnel_of(delivery.trace, without=without)]
        for top in [max([count for _, count, _ in steps] or [1])]
        for label, left, said in steps
    ]
    grid = Grid(("Step", "", "Left", "By source, or why lost"), rows, "No trace was kept.", numeric=(2,))
    return Section("Funnel: who was left after each step", grid=grid)


def bar(value: float, top: float) -> SafeString:
    """A value as a bar; the number stands beside it."""
    return format_html('<meter min="0" max="{}" value="{}">{}</meter>', max(top, 1), value, value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(delivery: Delivery, kind: str, without: frozenset[str]) -> Section:
    """The list. Where a source is kept back, so are all of them and the chances: a member of whom no source
    is said, or whose place was drawn by lot, may be one who likes the viewer."""
    names = names_of([(kind, number) for number in delivery.candidates])
    lineup = next(lineup for lineup in LINEUPS.values() if lineup.kind == kind)
    reasons = _reasons(delivery)
    rows = [
        (rank, link_to(names, kind, number), f"{score:.4f}")
        + (() if without else (f"{chance:.3f}", ", ".join(map(_words, source_names(lineup, bits)))))
        + (reasons[rank - 1],)
        for rank, (number, score, chance, bits) in enumerate(
            zip(delivery.candidates, delivery.scores, delivery.propensities, delivery.sources, strict=True), 1
        )
    ]
    drawn = () if without else ("Propensity", "Found by")
    head = ("", "Who" if kind == "member" else "Place", "Score", *drawn, "Reasons")
    note = "Propensity: the chance that this candidate stood here; 1 where nothing was drawn by lot."
    if without:
        note = "Which source found whom, and with what chance, may tell who likes whom: for trust and safety."
    grid = Grid(head, rows, "Nobody was shown.", numeric=(2,) if without else (2, 3))
    return Section("Shown", grid=grid, note=note)


def _reasons(delivery: Delivery) -> list[str]:
    """What the viewer could read beside each candidate, in the order of the list."""
    kept = [
        stage["reasons"] for stage in delivery.trace if "reasons" in stage and stage.get("stage") == "guard"
    ]
    said = ["; ".join(in_words(reasons)) for reasons in kept[-1]] if kept else []
    return said + [""] * (len(delivery.candidates) - len(said))


def _stages(delivery: Delivery, without: frozenset[str]) -> Section:
    rows = []
    for stage in delivery.trace:
        if stage.get("stage") in without:
            continue
        said_above = "reasons" if stage.get("stage") == "guard" else ""
        rest = {key: value for key, value in stage.items() if key not in (*STAGE_KEYS, said_above)}
        rows.append(
            (
                str(stage.get("stage")).replace("_", " "),
                stage.get("received"),
                stage.get("kept"),
                _detail(rest),
            )
        )
    grid = Grid(("Stage", "Received", "Kept", "Detail"), rows, "No trace was kept.", numeric=(1, 2))
    return Section("What every stage did", grid=grid)


def _detail(values: dict[str, Any]) -> str:
    parts = []
    for key, value in values.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {inner}" for name, inner in value.items())
        parts.append(f"{key.replace('_', ' ')}: {value}")
    return "; ".join(parts)
