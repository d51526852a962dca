"""The viewer's state in one MGET: whom they may not see, who likes them, what a request id was answered with.

Takes a viewer and a surface; gives sorted numbers. It applies the policy's cool-down, and it says under which
generation the state stands; whether that is believed is decided by whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.common import online
from apps.delivery import trips
from apps.delivery.ledger import Answered, read_answered
from apps.delivery.truth import Facts
from apps.pipeline.features.taste import faded
from apps.pipeline.params import PipelineParams
from apps.pipeline.sets import distinct, is_in, union
from apps.pipeline.signals import (
    DEED,
    F32,
    LIKED,
    NO_DEEDS,
    NO_NUMBERS,
    NO_TIMES,
    PASSED,
    SAVED,
    SEEN_TOO_OFTEN,
    Signals,
)

I32 = npt.NDArray[np.int32]
Deeds = npt.NDArray[Any]  # of dtype DEED
NOBODY: I32 = np.zeros(0, "i4")
NOTHING: online.Records = online.read_records(None)
DAY = 86_400.0
MOST_TIRED = 512  # of those seen before, the ones seen most often count
TOO_OFTEN = 2.0  # "seen too often" counts as having been seen so many times more
WHAT = np.full(256, SAVED, "u1")  # by the code of a decision: what it is as a deed
WHAT[[1, 2, 3]] = LIKED, PASSED, LIKED  # liked, passed, matched


@dataclass(frozen=True)
class ViewerState:
    """What is known of a viewer on one surface now. Numbers are sorted."""

    generation: int  # of the online state; -1: none
    erased: bool = False
    blocked: I32 = field(default_factory=lambda: NOBODY)  # both ways
    related: I32 = field(default_factory=lambda: NOBODY)  # connections, and whom they acted on
    seen: I32 = field(default_factory=lambda: NOBODY)  # within the cool-down
    held: I32 = field(default_factory=lambda: NOBODY)
    # whom they saw whenever, for cool-downs by rule
    saw: online.Records = field(default_factory=lambda: NOTHING)
    liked_by: I32 = field(default_factory=lambda: NOBODY)  # unanswered
    signals: Signals = field(default_factory=Signals)  # the viewer's own
    answered: Answered | None = None

    @cached_property
    def excluded(self) -> I32:
        """Everybody who may not be in the next list."""
        return union(self.blocked, self.related, self.seen, self.held)


def read_state(
    viewer: int, surface: str, kind: str, *, now: float, params: PipelineParams, request_key: str = ""
) -> ViewerState:
    """The state as Valkey has it, of candidates of this kind. Raises RedisError."""
    keys = [
        online.MARKER,
        online.global_key(viewer),
        online.acted_key(surface, viewer),
        online.seen_key(surface, viewer),
        online.held_key(surface, viewer),
        online.received_key(surface, viewer),
        online.session_key(surface, viewer),
        online.less_key(viewer),
    ]
    if request_key:
        keys.append(request_key)
    values = trips.read(keys)
    everywhere, acted, seen, held, received = (online.read_records(value) for value in values[1:6])
    erased = bool((everywhere["slot"] == online.ERASED).any())
    if kind != "member":  # blocks and connections are between members; a place may have the same number
        everywhere = everywhere[:0]
    stands, is_block = everywhere["state"] > 0, everywhere["slot"] != online.CONNECTED
    acted_on = acted["number"][acted["state"] > 0]
    related = distinct(np.concatenate([everywhere["number"][stands & ~is_block], acted_on]))
    blocked = distinct(everywhere["number"][stands & is_block])
    liked = distinct(received["number"][(received["slot"] == 0) & (received["state"] > 0)])
    entry = values[8] if request_key else None
    is_recent = seen["at"] > now - params.cooldown_days * DAY
    less = less_of(values[7], surface, kind)
    return ViewerState(
        generation=int(values[0]) if values[0] else -1,
        erased=erased,
        blocked=blocked,
        related=related,
        seen=distinct(seen["number"][is_recent]),
        saw=seen,
        held=distinct(held["number"][held["at"] > now]),
        liked_by=_unanswered(liked, related, blocked),
        answered=read_answered(entry) if entry else None,
        signals=Signals(
            decided_of(values[6]), less, *tired_of(seen[~is_recent], less, now=now, params=params)
        ),
    )


def decided_of(data: bytes | None) -> Deeds:
    """A viewer's latest decisions as deeds, by when they decided."""
    if not data:
        return NO_DEEDS
    known = np.frombuffer(data, online.DECISION)
    known = known[known["state"] > 0]
    known = known[np.argsort(known["at"], kind="stable")]
    return _deeds(known["number"], WHAT[known["state"]], known["at"])


def less_of(data: bytes | None, surface: str, kind: str) -> Deeds:
    """What the viewer asked less of, on this surface or on every one."""
    if not data:
        return NO_DEEDS
    known = np.frombuffer(data, online.LESS)
    here = np.array([online.surface_mark(surface, kind), online.surface_mark("", kind)], "u4")
    known = known[(known["state"] == 1) & np.isin(known["surface"], here)]
    known = known[np.lexsort((known["event"], known["at"]))]
    return _deeds(known["number"], known["reason"], known["at"])


def tired_of(seen: online.Records, less: Deeds, *, now: float, params: PipelineParams) -> tuple[I32, F32]:
    """Sorted numbers that were seen on earlier days, and how often: each time counts less as it fades."""
    often = less[less["what"] == SEEN_TOO_OFTEN]
    if not len(seen) and not len(often):
        return NO_NUMBERS, NO_TIMES
    times = faded(seen["at"], now, params.fatigue_half_life * DAY)
    asked = TOO_OFTEN * faded(often["at"], now, params.less_half_life * DAY)
    numbers, at = np.unique(np.concatenate([seen["number"], often["number"]]), return_inverse=True)
    sums = np.bincount(at, np.concatenate([times, asked]), len(numbers)).astype("f4")
    most = np.sort(np.argsort(-sums, kind="stable")[:MOST_TIRED])
    most = most[sums[most] > 0]
    return numbers[most], sums[most]


def _deeds(number: Any, what: Any, at: Any) -> Deeds:
    deeds = np.empty(len(number), DEED)
    deeds["number"], deeds["what"], deeds["at"] = number, what, at
    return deeds


def with_facts(state: ViewerState | None, facts: Facts, *, cooled_since: float = inf) -> ViewerState:
    """The state with what Postgres has; held as far as it is known. `cooled_since`: whom the viewer saw later
    is within the policy's cool-down."""
    known = state or ViewerState(generation=-1)
    related = union(facts.related, known.related)
    cooled = facts.saw["number"][facts.saw["at"] > cooled_since]
    return replace(
        known,
        blocked=facts.blocked,
        related=related,
        seen=union(known.seen, distinct(cooled)),
        saw=facts.saw if len(facts.saw) else known.saw,
        liked_by=_unanswered(known.liked_by, related, facts.blocked),
    )


def _unanswered(liked: I32, related: I32, blocked: I32) -> I32:
    if not len(liked):
        return liked
    return liked[~is_in(liked, union(related, blocked))]
