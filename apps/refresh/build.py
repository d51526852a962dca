"""From what was read of Postgres to a snapshot in memory: learns each surface, then puts the parts together.

Reads inside one consistent view (`read_source`), computes outside of any transaction (`build`); writes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.common.changes import latest_position
from apps.learning.as_of import Earlier, ServedPairs
from apps.learning.decisions import Decisions, decisions_of
from apps.learning.ease import alike_graph, only_of
from apps.learning.graphs import connections_graph, friends_places_graph
from apps.learning.heads import Outcomes, came_back
from apps.learning.kept import keep_learnt
from apps.learning.members import Learnt, learn_members
from apps.learning.pagerank import pagerank_graph, seeking_each_other
from apps.learning.places import learn_places
from apps.learning.representation import with_columns
from apps.pipeline.contracts import I32
from apps.pipeline.features.calendar import date_of
from apps.pipeline.graph import Graph, empty_graph
from apps.pipeline.layout import in_order
from apps.pipeline.snapshot import Snapshot, SurfaceData, surface_data
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import partner_masks
from apps.policies.older import brought_up
from apps.policies.uses import is_used
from apps.refresh import columns, reading
from apps.refresh.groupings import groupings_of, minds_gender
from apps.refresh.masks import contents_of
from apps.refresh.whereabouts import placed, travellers
from apps.releases.selectors import live, live_mark, open_drafts
from apps.surfaces.models import Surface
from apps.surfaces.selectors import active_surfaces

Say = Callable[[str], None]
Found = Mapping[str, npt.NDArray[Any]]
POPULAR_SECONDS = 90 * 86400
PAGERANK = ("quotas.pagerank", "weights.pagerank")
OVERLAP = timedelta(minutes=10)  # events may have happened earlier than they were stored


@dataclass(frozen=True)
class Behaviour:
    """What is learnt from."""

    decisions: Mapping[str, Found]  # by surface
    impressions: Mapping[str, Found]  # by surface of places
    visits: Found
    visitors: tuple[I32, I32]  # who, and which place
    answers: Mapping[str, Found]  # by surface of members: whether those who matched talked
    active_days: Found
    served: Mapping[str, Found]  # by surface: features of decided pairs, as they were logged
    earlier: Mapping[str, Found]  # by kind: facts of members and places until they were edited


@dataclass(frozen=True)
class Source:
    """Everything that one refresh read, at one point of time."""

    until: datetime
    position: int  # of the change feed: what writes up to it did was read
    surfaces: Mapping[str, Surface]
    markets: Sequence[Mapping[str, Any]]
    vocabulary: Mapping[str, tuple[str, ...]]
    shown: Table  # members who may be shown, at home: there they decided what is learnt from
    viewers: Table  # members who may look: hidden ones too
    away: Mapping[int, int]  # by number the market in which a member is who travels
    places: Table
    behaviour: Behaviour | None  # None: the models of an earlier snapshot are kept
    saves: tuple[I32, I32]  # who, and which place
    connections: tuple[I32, I32]
    matches: Mapping[str, tuple[I32, I32]]  # by surface whose ties are walked
    blocks: tuple[I32, I32]
    ids: Mapping[str, tuple[Sequence[int], Sequence[str]]]
    may_be_shown: Mapping[str, I32]  # asked in other words, for the checks

    @property
    def now(self) -> float:
        return self.until.timestamp()


def read_source(until: datetime, previous: columns.Vocabulary | None, kept: Snapshot | None = None) -> Source:
    """Reads all. `previous` is the vocabulary of the active snapshot, so that words keep their bits.

    With `kept`, whose models and words stay, behaviour is not read, and activity only since.
    """
    today = until.date()
    with reading.consistent_reading():
        position = latest_position().transaction  # first: in a transaction of somebody else's the view moves
        surfaces = active_surfaces()
        markets = columns.market_entries()
        words = kept.vocabulary if kept else columns.vocabulary(previous, today=today)
        active = columns.member_table(markets=markets, vocabulary=words, who="active", today=today)
        active = _with_activity(active, _activity(until, kept))
        shown = np.isin(active["number"], columns.numbers_of("shown", today))
        return Source(
            until=until,
            position=position,
            surfaces=surfaces,
            markets=markets,
            vocabulary=words,
            shown=active.gather(np.flatnonzero(shown)),
            viewers=active,
            away=travellers(markets, today),
            places=columns.place_table(markets=markets, vocabulary=words, today=today),
            behaviour=None if kept else _behaviour(surfaces, until, markets, words),
            saves=reading.saves(until),
            connections=reading.visible_connections(),
            matches={key: reading.matches_on(key, until) for key in _walked(surfaces)},
            blocks=reading.blocks(),
            ids={kind: reading.ids_of(kind) for kind in ("member", "place")},
            may_be_shown={kind: reading.shown_numbers(kind, today) for kind in ("member", "place")},
        )


def _walked(surfaces: Mapping[str, Surface]) -> Iterator[str]:
    """Surfaces of members on which PageRank is asked for: by what is live, or by an open draft, whose preview
    shall have it. Where nobody asks it is not worth its minute and its memory."""
    contents = [brought_up(content) for content in contents_of(live())] if live_mark() is not None else []
    contents += [brought_up(draft.content) for draft in open_drafts()]
    for key, surface in surfaces.items():
        said = [content for content in contents if key in content["surfaces"]]
        if surface.kind == "member" and any(is_used(content, key, *PAGERANK) for content in said):
            yield key


def may_keep(before: Snapshot, surfaces: Mapping[str, Surface]) -> bool:
    """Whether the models of a snapshot serve these surfaces: all of them, of the same kinds."""
    return {key: data.kind for key, data in before.surfaces.items()} == {
        k: s.kind for k, s in surfaces.items()
    }


def build(
    source: Source, snapshot_id: str, step: Say, kept: Snapshot | None = None
) -> tuple[Snapshot, dict[str, Any]]:
    """The snapshot, and what was learnt by surface; nothing when the models of `kept` stay."""
    learnt: dict[str, Learnt] = {}
    if kept is not None:
        step("keeping the models")
    for key, surface in source.surfaces.items():
        if kept is not None:
            learnt[key] = _kept(source, surface, kept)
        elif source.behaviour is not None:
            step(f"learning {key}")
            learnt[key] = _learn(source, surface, source.behaviour)
    step("graphs")
    connections = _edges(source, source.connections)
    savers, saved = source.saves
    shown = np.isin(saved, source.places["number"])
    pageranks = {key: _pagerank(source, source.surfaces[key], pairs) for key, pairs in source.matches.items()}
    snapshot = Snapshot(
        id=snapshot_id,
        created_at=source.now,
        markets=tuple(source.markets),
        vocabulary=source.vocabulary,
        surfaces={key: _surface_data(source, source.surfaces[key], one) for key, one in learnt.items()},
        connections=connections,
        friends_places=friends_places_graph(connections, savers[shown], saved[shown]),
        alike=_alike(source, kept),
        pagerank=pageranks,
        content={
            f"{key}.{name}": array for key, one in learnt.items() for name, array in one.content.items()
        },
        manifest={"position": source.position},
    )
    return snapshot, {key: dict(one.report) for key, one in learnt.items() if one.report}


def _kept(source: Source, surface: Surface, kept: Snapshot) -> Learnt:
    today = date_of(source.now)
    if surface.kind == "member":
        return keep_learnt(kept, surface.key, source.shown, None, today=today)
    return keep_learnt(kept, surface.key, source.places, source.viewers, today=today)


def _learn(source: Source, surface: Surface, behaviour: Behaviour) -> Learnt:
    today = date_of(source.now)
    found = behaviour.decisions[surface.key]
    if surface.kind == "member":
        partners = partner_masks(source.vocabulary["crafts"])
        decisions = _by_row(found, source.shown, source.shown, found["liked"])
        return learn_members(
            source.shown,
            decisions,
            now=source.now,
            today=today,
            partners=partners,
            outcomes=_outcomes(source, decisions, behaviour.answers[surface.key], behaviour.active_days),
            before=_earlier(source.shown, behaviour.earlier["member"]),
            served=_served(source.shown, source.shown, behaviour.served[surface.key]),
            groupings=groupings_of(source.shown, surface, source.markets),
        )
    shown = behaviour.impressions[surface.key]
    return learn_places(
        source.places,
        source.viewers,
        _by_row(found, source.viewers, source.places, found["liked"]),
        shown=_by_row(shown, source.viewers, source.places, np.zeros(len(shown["actor"]), "?")),
        popularity=_place_popularity(source, found, behaviour.visits),
        today=today,
        before=(
            _earlier(source.viewers, behaviour.earlier["member"]),
            _earlier(source.places, behaviour.earlier["place"]),
        ),
        served=_served(source.viewers, source.places, behaviour.served[surface.key]),
        groupings=groupings_of(source.viewers, surface, source.markets),
    )


def _earlier(present: Table, found: Found) -> Earlier:
    """Rows as they were before an edit: of what is kept no more, today's stands."""
    rows = rows_of(present["number"], found["number"])
    here = np.flatnonzero(rows >= 0)
    facts = {name: column[here] for name, column in found.items() if name not in ("number", "until")}
    return Earlier(with_columns(present.gather(rows[here]), facts), rows[here], found["until"][here])


def _served(sources: Table, targets: Table, found: Found) -> ServedPairs:
    source, target = rows_of(sources["number"], found["actor"]), rows_of(targets["number"], found["target"])
    here = np.flatnonzero((source >= 0) & (target >= 0))
    logged = {name: column[here] for name, column in found.items() if name not in ("actor", "target", "at")}
    return ServedPairs(source[here], target[here], found["at"][here], logged)


def _outcomes(source: Source, decisions: Decisions, answers: Found, active: Found) -> Outcomes:
    """What came of matches, and of those who decided."""
    rows = rows_of(source.shown["number"], active["actor"])
    here = rows >= 0
    return Outcomes(
        replies=_by_row(answers, source.shown, source.shown, answers["replied"]),
        stays=came_back(decisions, rows[here], active["day"][here], now=source.now),
    )


def _edges(source: Source, pairs: tuple[I32, I32]) -> Graph:
    return connections_graph(
        *pairs,
        may_look=source.viewers["number"],
        may_be_shown=source.shown["number"],
        blocks=source.blocks,
    )


def _alike(source: Source, kept: Snapshot | None) -> Graph:
    """Learnt with the models, and kept with them."""
    members, places = source.viewers["number"], source.places["number"]
    if source.behaviour is None:
        return empty_graph() if kept is None else only_of(kept.alike, members, places)
    who, where = (np.concatenate(both) for both in zip(source.saves, source.behaviour.visitors, strict=True))
    may_look = np.isin(who, members)
    return alike_graph(who[may_look], where[may_look], numbers=places, markets=source.places["market"])


def _pagerank(source: Source, surface: Surface, matches: tuple[I32, I32]) -> Graph:
    """A match is walked on its own surface alone: dating tells networking nothing."""
    a, b = (np.concatenate(ends) for ends in zip(source.connections, matches, strict=True))
    seek = seeking_each_other(source.viewers) if minds_gender(surface) else None
    return pagerank_graph(_edges(source, (a, b)), blocks=source.blocks, may_fit=seek)


def _surface_data(source: Source, surface: Surface, learnt: Learnt) -> SurfaceData:
    """Who travels is laid where they are: shown there, and not at home."""
    is_people, viewers = surface.kind == "member", learnt.viewers
    table = placed(learnt.table, source.away) if is_people else learnt.table
    return surface_data(
        key=surface.key,
        kind=surface.kind,
        eligibility=surface.eligibility,
        candidates=in_order(table, surface.eligibility),
        viewers=None if viewers is None else placed(viewers, source.away),
        n_markets=len(source.markets),
        models=learnt.models,
        arrays=learnt.arrays,
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
    np.maximum.at(hours, rows[here], activity["hour"][here])
    return with_columns(table, {"active_hour": hours})


def _activity(until: datetime, kept: Snapshot | None) -> Found:
    """actor and hour of what events show; an actor may stand in it more than once."""
    if kept is None:
        return reading.last_activity(until - reading.LONGEST, until)
    since = reading.last_activity(datetime.fromtimestamp(kept.created_at, UTC) - OVERLAP, until)
    tables = [data.viewers for data in kept.surfaces.values()]
    return {
        "actor": np.concatenate([since["actor"], *(table["number"] for table in tables)]),
        "hour": np.concatenate([since["hour"], *(table["active_hour"] for table in tables)]),
    }


def _behaviour(
    surfaces: Mapping[str, Surface], until: datetime, markets: columns.Markets, words: columns.Vocabulary
) -> Behaviour:
    places = [key for key, surface in surfaces.items() if surface.kind == "place"]
    return Behaviour(
        decisions={key: reading.decisions_on(key, s.kind, until) for key, s in surfaces.items()},
        impressions={key: reading.impressions_on(key, until) for key in places},
        visits=reading.place_visits(until),
        visitors=reading.visitors(until),
        answers={key: reading.answers_on(key, until) for key in surfaces if key not in places},
        active_days=reading.active_days(until),
        served={key: reading.served_on(key, surface.kind, until) for key, surface in surfaces.items()},
        earlier={
            "member": columns.earlier_profiles(until, markets=markets, vocabulary=words),
            "place": columns.earlier_places(until, markets=markets, vocabulary=words),
        },
    )


def _place_popularity(source: Source, saves: Found, visits: Found) -> npt.NDArray[np.float64]:
    """log1p of saves and visits in 90 days."""
    recent = saves["at"] > source.now - POPULAR_SECONDS
    numbers = np.concatenate([saves["target"][recent], visits["target"]])
    amounts = np.concatenate([np.ones(int(recent.sum())), visits["visits"]])
    rows = rows_of(source.places["number"], numbers)
    here = rows >= 0
    return np.log1p(np.bincount(rows[here], amounts[here], minlength=len(source.places)))
