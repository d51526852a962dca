"""What passes between stages, and between the pipeline and whoever calls it.

A source proposes rows, a filter returns a mask, a scorer one number per row in the same order, a reranker
rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.graph import NEAREST, TwoSteps
from apps.pipeline.params import FULL, PipelineParams, Widths
from apps.pipeline.rules import U64, LiveRules, Pacing
from apps.pipeline.sets import is_in
from apps.pipeline.signals import Signals
from apps.pipeline.snapshot import Snapshot, SurfaceData
from apps.pipeline.table import Table
from apps.pipeline.trace import Trace
from apps.pipeline.watch import Watch

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NOBODY: I32 = np.zeros(0, "i4")
NO_CAPS: I32 = np.zeros((0, 2), "i4")
NO_WORDS: U64 = np.zeros((0, 0), "u8")
NO_RULES: I64 = np.zeros(0, "i8")
NOBODY_NEAR = (NOBODY, np.zeros(0, "f4"))


@dataclass(frozen=True)
class Viewer:
    """The viewer as one-row member table (from the snapshot, or from the overlay for a newcomer) and their
    state now."""

    row: Table  # kind "member", exactly one row
    # sorted numbers never to show: related, blocked either way, held, seen in cool-down. The viewer is
    # implied.
    excluded: I32 = field(default_factory=lambda: NOBODY)
    # sorted numbers of members who liked the viewer on this surface, unanswered
    liked_by: I32 = field(default_factory=lambda: NOBODY)
    signals: Signals = field(default_factory=Signals)
    is_fresh: bool = False  # the row is the overlay's, whether or not the snapshot has one
    moved: F32 | None = None  # by how much the row's taste was moved for what happened of late; None: not yet

    @property
    def number(self) -> int:
        return int(self.row["number"][0])


@dataclass(frozen=True)
class Trip:
    """Where the viewer will be and when: index of a market, days since 1970-01-01 UTC, both included."""

    market: int
    first_day: int
    last_day: int


@dataclass(frozen=True)
class Request:
    """One question to the pipeline."""

    snapshot: Snapshot
    surface: str
    params: PipelineParams
    viewer: Viewer
    limit: int
    now: float  # seconds since 1970-01-01 UTC
    seed: int
    # index of the market the viewer draws from when it is not the one they are in; -1: that one
    market: int = -1
    # today in that market, as days since 1970-01-01; None: the day in UTC
    day: int | None = None
    # when the viewer is there, where that is not today: places are open, or not, on those days
    stay: Trip | None = None
    trips: tuple[Trip, ...] = ()  # coming ones, each to another market, whose places share the list
    only: I32 | None = None  # rank these numbers and nobody else (sources are skipped)
    # overlay: candidates of this surface's kind, any market, by number, whom the snapshot does not know, or
    # knows otherwise (see `stale`)
    newcomers: Table | None = None
    # overlay: sorted numbers whose row in the snapshot is not read any more: theirs is in `newcomers`, or
    # nowhere
    stale: I32 = field(default_factory=lambda: NOBODY)
    # overlay: sorted numbers in the snapshot that may not be shown any more
    gone: I32 = field(default_factory=lambda: NOBODY)
    # overlay: sorted numbers of members of whose ties the snapshot may know one that does not stand any more
    untied: I32 = field(default_factory=lambda: NOBODY)
    rules: LiveRules | None = None  # staff's rules that are live for this viewer now
    pacing: Pacing | None = None  # the pacer's part of the price
    reserve: int = 40  # how many more to return in order, for backfill by the guard
    widths: Widths = FULL  # narrower where time is short
    logs_features: bool = False  # the slate says what the best were judged by
    left_out: Mapping[str, str] = field(default_factory=dict)  # sources that are not asked, and why
    watch: Watch | None = None  # measures the sources; None: nobody does, as in a replay

    @property
    def data(self) -> SurfaceData:
        return self.snapshot.surfaces[self.surface]

    def in_time(self) -> None:
        """Between two steps of a source. Raises OutOfTime where its time is over."""
        if self.watch is not None:
            self.watch.check()

    @cached_property
    def mutual(self) -> TwoSteps:
        """Whom the viewer shares connections with; walked once per request, over nobody who is gone or
        untied."""
        gone = self.gone if self.data.kind == "member" else NOBODY
        return self.snapshot.connections.two_steps(self.viewer.number, gone=gone, untied=self.untied)

    @cached_property
    def near(self) -> tuple[I32, F32]:
        """Whom a walk over connections and matches reaches most, by number; 1 is the nearest.

        Of its three steps the first two begin or end at the viewer or a connection, the last ends at whom it
        reaches: nobody of these is untied.
        """
        graph, number = self.snapshot.pagerank.get(self.surface), self.viewer.number
        if graph is None:
            return NOBODY_NEAR
        numbers, weights = graph.weighted(number)
        weights = weights / np.float32(NEAREST)
        if not len(self.untied):
            return numbers, weights
        walked = np.append(self.snapshot.connections.neighbours(number), np.int32(number))
        if is_in(walked, self.untied).any():
            return NOBODY_NEAR
        tied = ~is_in(numbers, self.untied)
        return numbers[tied], weights[tied]

    @cached_property
    def alike(self) -> tuple[I32, F32]:
        """Places that go along with those the viewer saved or visited, by number; at most 1."""
        numbers, weights = self.snapshot.alike.weighted(self.viewer.number)
        return numbers, weights / np.float32(NEAREST)

    @cached_property
    def friends_places(self) -> tuple[I32, F32]:
        """Places that the viewer's connections saved, by number, and how many of them saved each; none for a
        viewer who is untied."""
        if is_in(np.array([self.viewer.number]), self.untied)[0]:
            return NOBODY_NEAR
        return self.snapshot.friends_places.weighted(self.viewer.number)


@dataclass(frozen=True)
class Pool:
    """Candidates as columns: row i of every array is the same candidate."""

    table: Table
    sources: U32  # [n] bit b set: found by the b-th source of the line-up
    rows: I32 | None = None  # [n] of the snapshot, -1: the overlay's; None: to be looked up by number
    features: Mapping[str, F32] = field(default_factory=dict)
    p: F32 = field(default_factory=lambda: np.zeros(0, "f4"))  # p(viewer likes candidate)
    q: F32 = field(default_factory=lambda: np.zeros(0, "f4"))  # p(candidate likes viewer)
    score: F32 = field(default_factory=lambda: np.zeros(0, "f4"))
    words: U64 = field(default_factory=lambda: NO_WORDS)  # [words, n] which rules' conditions each meets
    # pair features of "viewer likes candidate", and of the way back (None for places)
    pairs: tuple[Mapping[str, F32], Mapping[str, F32] | None] | None = None
    heavy: Mask | None = None  # [n] whose p and q are the heavy ranker's; None: nobody's
    multiplier: F64 | None = None  # what rules multiply Phi with; None: no such rule is live
    about: I64 = field(default_factory=lambda: NO_RULES)  # [rules] how many candidates meet each live rule

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class Served:
    """What candidates were judged by: row i of `values` [n, names] is of numbers[i]."""

    names: tuple[str, ...]
    numbers: I32
    values: F32


@dataclass(frozen=True)
class Slate:
    """The answer: candidates in order, the first `limit` to be shown, the rest a reserve for backfill.

    `propensity[i]` is the probability, given the ranked pool, that this candidate stood at this position;
    1.0 where the order is deterministic. `reasons[i]` holds (code, argument) pairs; rendered by delivery.
    """

    numbers: I32
    scores: F32
    propensity: F32
    sources: U32
    reasons: tuple[tuple[tuple[str, str], ...], ...]
    eligible: int  # how many candidates were eligible for this viewer: tells a short list from a cut one
    trace: Trace
    pool: Pool | None = None  # only with a detailed trace
    # everybody who was scored: a replay needs their signals
    ranked: I32 = field(default_factory=lambda: NOBODY)
    caps: I32 = field(default_factory=lambda: NO_CAPS)  # [n, 2] exposures in a day and in an hour; 0: no cap
    served: Served | None = None  # only where the request asked for it
    held: I64 = field(default_factory=lambda: np.zeros(0, "i8"))  # places of the list that rules gave
    # of a list that trips share, with a detailed trace: what was asked and found by market
    parts: tuple[tuple[Request, Slate], ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why a candidate is shown to a viewer, or the first stage that lost them and what would show them."""

    candidate: int
    shown: bool
    stage: str  # shown | snapshot | filters | retrieval | ranking | reranking | random_order
    # shown | unknown | a rule's name | not_proposed | no_room | below_the_list | not_drawn | lost_to_ and a
    # reranker
    code: str
    private: bool = False  # the code gives away one side's secret: only for those allowed to see such
    rank: int | None = None  # 1 is first; also for those below the list, as far as the reserve reaches
    # The smallest changes that, all together, would let the candidate pass the stage that lost them; empty:
    # none would. Each: {"of": viewer | candidate | policy | either, "field": ..., "from": ..., "to": ...}.
    change: tuple[Mapping[str, Any], ...] = ()
    # p, q, ranker (light or heavy: whose p and q), session (what of p comes from the last hours), phi, rules
    # and the multiplier they make, features: {name: {value, weight, contribution}}, price, score, caps, and
    # the rules that may give a place; for whoever was scored.
    waterfall: Mapping[str, Any] | None = None
