"""The viewer's state in one MGET: whom they may not see, who likes them, what a request id was answered with.

Takes a viewer and a surface; gives sorted numbers. It applies the policy's cool-down, and it says under which
generation the state stands; whether that is believed is decided by whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from apps.common import online
from apps.delivery import trips
from apps.delivery.ledger import Answered, read_answered

I32 = npt.NDArray[np.int32]
NOBODY: I32 = np.zeros(0, "i4")
NOTHING: online.Records = online.read_records(None)
DAY = 86_400.0


@dataclass(frozen=True)
class ViewerState:
    """What is known of a viewer on one surface now. Numbers are sorted."""

    generation: int  # of the online state; -1: none
    blocked: I32 = field(default_factory=lambda: NOBODY)  # both ways
    related: I32 = field(default_factory=lambda: NOBODY)  # connections, and whom they acted on
    seen: I32 = field(default_factory=lambda: NOBODY)  # within the cool-down
    held: I32 = field(default_factory=lambda: NOBODY)
    saw: online.Records = field(
        default_factory=lambda: NOTHING
    )  # whom they saw whenever, for cool-downs by rule
    liked_by: I32 = field(default_factory=lambda: NOBODY)  # unanswered
    answered: Answered | None = None

    @cached_property
    def excluded(self) -> I32:
        """Everybody who may not be in the next list."""
        return np.unique(np.concatenate([self.blocked, self.related, self.seen, self.held]))


def read_state(
    viewer: int, surface: str, kind: str, *, now: float, cooldown_days: float, request_key: str = ""
) -> ViewerState:
    """The state as Valkey has it, of candidates of this kind. Raises RedisError."""
    keys = [
        online.MARKER,
        online.global_key(viewer),
        online.acted_key(surface, viewer),
        online.seen_key(surface, viewer),
        online.held_key(surface, viewer),
        online.received_key(surface, viewer),
    ]
    if request_key:
        keys.append(request_key)
    values = trips.read(keys)
    everywhere, acted, seen, held, received = (online.read_records(value) for value in values[1:6])
    if kind != "member":  # blocks and connections are between members; a place may have the same number
        everywhere = everywhere[:0]
    everywhere, acted = everywhere[everywhere["state"] > 0], acted[acted["state"] > 0]
    is_block = everywhere["slot"] != online.CONNECTED
    related = np.union1d(everywhere["number"][~is_block], acted["number"])
    blocked = np.unique(everywhere["number"][is_block])
    liked = received["number"][received["state"] > 0]
    entry = values[6] if request_key else None
    return ViewerState(
        generation=int(values[0]) if values[0] else -1,
        blocked=blocked,
        related=related,
        seen=np.unique(seen["number"][seen["at"] > now - cooldown_days * DAY]),
        saw=seen,
        held=np.unique(held["number"][held["at"] > now]),
        liked_by=np.setdiff1d(np.setdiff1d(liked, related), blocked),
        answered=read_answered(entry) if entry else None,
    )


def with_facts(state: ViewerState | None, facts: Mapping[str, I32]) -> ViewerState:
    """The state with blocks and relations as Postgres has them; seen and held as far as they are known."""
    known = state or ViewerState(generation=-1)
    related = np.union1d(facts["related"], known.related)
    blocked = np.unique(facts["blocked"])
    liked_by = np.setdiff1d(np.setdiff1d(known.liked_by, related), blocked)
    return replace(known, blocked=blocked, related=related, liked_by=liked_by)


def is_in(numbers: I32, ordered: I32) -> npt.NDArray[np.bool_]:
    """Which of a few numbers are among many sorted ones."""
    if not len(ordered):
        return np.zeros(len(numbers), "?")
    found: npt.NDArray[np.bool_] = (
        ordered[np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)] == numbers
    )
    return found
