"""From what was read of Postgres to a snapshot in memory: learns each surface, then puts the parts together.

Reads inside one consistent view (`read_source`), computes outside of any transaction (`build`); writes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.decisions import Decisions, decisions_of
from apps.learning.graphs import connections_graph, friends_places_graph
from apps.learning.members import Learnt, learn_members
from apps.learning.pagerank import pagerank_graph, seeking_each_other
from apps.learning.places import learn_places
from apps.learning.representation import with_columns
from apps.pipeline.contracts import I32
from apps.pipeline.features.calendar import date_of
from apps.pipeline.filters.rules import ELIGIBILITY
from apps.pipeline.graph import Graph
from apps.pipeline.layout import in_order
from apps.pipeline.snapshot import Snapshot, SurfaceData, Table, surface_data
from apps.pipeline.vocabulary import partner_masks
from apps.refresh import columns, reading
from apps.surfaces.models import Surface
from apps.surfaces.selectors import active_surfaces

Say = Callable[[str], None]
Found = Mapping[str, npt.NDArray[Any]]
POPULAR_SECONDS = 90 * 86400


@dataclass(frozen=True)
class Source:
    """Everything that one refresh read, at one point of time."""

    until: datetime
    surfaces: Mapping[str, Surface]
    markets: Sequence[Mapping[str, Any]]
    vocabulary: Mapping[str, tuple[str, ...]]
    shown: Table  # members who may be shown
    viewers: Table  # members who may look: hidden ones too
    places: Table
    decisions: Mapping[str, Found]  # by surface
    impressions: Mapping[str, Found]  # by surface of places
    visits: Found
    connections: tuple[I32, I32]
    matches: Mapping[str, tuple[I32, I32]]  # by surface of members
    blocks: tuple[I32, I32]
    ids: Mapping[str, tuple[Sequence[int], Sequence[str]]]
    may_be_shown: Mapping[str, I32]  # asked in other words, for the checks

    @property
    def now(self) -> float:
        return self.until.timestamp()


def read_source(until: datetime, previous: columns.Vocabulary | None) -> Source:
    """Reads all. `previous` is the vocabulary of the active snapshot, so that words keep their bits."""
    today = until.date()
    with reading.consistent_reading():
        surfaces = active_surfaces()
        markets = columns.market_entries()
        words = columns.vocabulary(previous, today=today)
        activity = reading.last_activity(until)
        members = {
            who: _with_activity(
                columns.member_table(markets=markets, vocabulary=words, who=who, today=today), activity
            )
            for who in ("shown", "active")
        }
        return Source(
            until=until,
            surfaces=surfaces,
            markets=markets,
            vocabulary=words,
            shown=members["shown"],
            viewers=members["active"],
            places=columns.place_table(markets=markets, vocabulary=words, today=today),
            decisions={k: reading.decisions_on(k, s.kind, until) for k, s in surfaces.items()},
            impressions={
                k: reading.impressions_on(k, until) for k, s in surfaces.items() if s.kind == "place"
            },
            visits=reading.place_visits(until),
            connections=reading.visible_connections(),
            matches={k: reading.matches_on(k, until) for k, s in surfaces.items() if s.kind == "member"},
            blocks=reading.blocks(),
            ids={kind: reading.ids_of(kind) for kind in ("member", "place")},
            may_be_shown={kind: reading.shown_numbers(kind, today) for kind in ("member", "place")},
        )


def build(source: Source, snapshot_id: str, step: Say) -> tuple[Snapshot, dict[str, Any]]:
    """The snapshot, and what was learnt by surface."""
    learnt: dict[str, Learnt] = {}
    for key, surface in source.surfaces.items():
        step(f"learning {key}")
        learnt[key] = _learn(source, surface)
    step("graphs")
    connections = _edges(source, source.connections)
    savers, saved = _saves(source)
    snapshot = Snapshot(
        id=snapshot_id,
        created_at=source.now,
        markets=tuple(source.markets),
        vocabulary=source.vocabulary,
        surfaces={key: _surface_data(source, source.surfaces[key], one) for key, one in learnt.items()},
        connections=connections,
        friends_places=friends_places_graph(connections, savers, saved),
        pagerank={key: _pagerank(source, source.surfaces[key]) for key in source.matches},
        content={
            f"{key}.{name}": array for key, one in learnt.items() for name, array in one.content.items()
        },
    )
    return snapshot, {key: dict(one.report) for key, one in learnt.items()}


def _learn(source: Source, surface: Surface) -> Learnt:
    today = date_of(source.now)
    found = source.decisions[surface.key]
    if surface.kind == "member":
        partners = partner_masks(source.vocabulary["crafts"])
        decisions = _by_row(found, source.shown, source.shown, found["liked"])
        return learn_members(source.shown, decisions, now=source.now, today=today, partners=partners)
    shown = source.impressions[surface.key]
    return learn_places(
        source.places,
        source.viewers,
        _by_row(found, source.viewers, source.places, found["liked"]),
        shown=_by_row(shown, source.viewers, source.places, np.zeros(len(shown["actor"]), "?")),
        popularity=_place_popularity(source, found),
        today=today,
    )


def _edges(source: Source, pairs: tuple[I32, I32]) -> Graph:
    return connections_graph(
        *pairs,
        may_look=source.viewers["number"],
        may_be_shown=source.shown["number"],
        blocks=source.blocks,
    )


def _pagerank(source: Source, surface: Surface) -> Graph:
    """A match is walked on its own surface alone: dating tells networking nothing."""
    a, b = (
        np.concatenate(ends) for ends in zip(source.connections, source.matches[surface.key], strict=True)
    )
    minds_gender = "gender_sought_by_viewer" in ELIGIBILITY[surface.eligibility].rules
    seek = seeking_each_other(source.viewers) if minds_gender else None
    return pagerank_graph(_edges(source, (a, b)), blocks=source.blocks, may_fit=seek)


def _surface_data(source: Source, surface: Surface, learnt: Learnt) -> SurfaceData:
    return surface_data(
        key=surface.key,
        kind=surface.kind,
        eligibility=surface.eligibility,
        candidates=in_order(learnt.table, surface.eligibility),
        viewers=learnt.viewers,
        n_markets=len(source.markets),
        models=learnt.models,
    )


def _by_row(found: Found, sources: Table, targets: Table, liked: npt.NDArray[Any]) -> Decisions:
    """Numbers to rows; pairs of which one side is in neither table are left out."""
    actor = rows_of(sources["number"], found["actor"])
    target = rows_of(targets["number"], found["target"])
    here = (actor >= 0) & (target >= 0)
    return decisions_of(actor[here], target[here], liked[here] != 0, found["at"][here])


def rows_of(numbers: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Where each of `wanted` stands in `numbers`; -1 where it doesn't."""
    rows = np.full(max(int(numbers.max(initial=-1)), int(wanted.max(initial=-1))) + 1, -1, "i4")
    rows[numbers] = np.arange(len(numbers), dtype="i4")
    found: npt.NDArray[np.int32] = rows[wanted]
    return found


def _with_activity(table: Table, activity: Found) -> Table:
    """The later of what the app said and what events show."""
    rows = rows_of(table["number"], activity["actor"])
    here = rows >= 0
    hours = table["active_hour"].copy()
    hours[rows[here]] = np.maximum(hours[rows[here]], activity["hour"][here])
    return with_columns(table, {"active_hour": hours})


def _place_popularity(source: Source, saves: Found) -> npt.NDArray[np.float64]:
    """log1p of saves and visits in 90 days."""
    recent = saves["at"] > source.now - POPULAR_SECONDS
    numbers = np.concatenate([saves["target"][recent], source.visits["target"]])
    amounts = np.concatenate([np.ones(int(recent.sum())), source.visits["visits"]])
    rows = rows_of(source.places["number"], numbers)
    here = rows >= 0
    return np.log1p(np.bincount(rows[here], amounts[here], minlength=len(source.places)))


def _saves(source: Source) -> tuple[I32, I32]:
    """Who saved which place that may be shown, on any surface of places."""
    found = [source.decisions[key] for key in source.impressions]
    actors = np.concatenate([one["actor"] for one in found] or [np.zeros(0, "i4")])
    places = np.concatenate([one["target"] for one in found] or [np.zeros(0, "i4")])
    here = np.isin(places, source.places["number"])
    return actors[here], places[here]
