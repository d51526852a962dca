"""What a pair's events amount to. Pure: takes the events of a bond, gives the state that each side made.

A bond is what is decided together: two members on one surface, two members everywhere (block, report), or a
member and a place. Events are ordered by when they occurred, and said so, so the order of their arrival never
matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from apps.interactions.models import EventType, Relationship

State = Relationship.State
GLOBAL = frozenset({EventType.BLOCK, EventType.UNBLOCK, EventType.REPORT})
UNDOABLE = frozenset({EventType.LIKE, EventType.PASS, EventType.MATCH, EventType.UNMATCH, EventType.SAVE})
DECISIVE = GLOBAL | UNDOABLE


class Bond(NamedTuple):
    """`a` is below `b` between members; of a place, `a` is the member and `b` the place."""

    a: int
    b: int
    kind: str  # member or place
    surface: str  # empty: everywhere


@dataclass(frozen=True)
class Fact:
    """A decisive event that was not taken back."""

    occurred_at: datetime
    id: UUID
    type: str
    actor: int
    said_at: datetime | None = None  # where that is later than it can have occurred


class Decision(NamedTuple):
    state: str
    at: datetime
    by: UUID


def bond_of(event_type: str, actor: int, target: int, kind: str, surface: str) -> Bond:
    """What a decisive event belongs to."""
    a, b = (actor, target) if kind == "place" or actor < target else (target, actor)
    return Bond(a, b, kind, "" if event_type in GLOBAL else surface)


def decide(bond: Bond, facts: Iterable[Fact]) -> dict[tuple[int, int], Decision]:
    """The state by (actor, target); a side that made none is left out."""
    ordered = sorted(facts, key=lambda fact: (fact.occurred_at, fact.said_at or fact.occurred_at, fact.id))
    if bond.kind == "place":
        return _saved(bond, ordered)
    return _between(bond, ordered) if bond.surface else _everywhere(bond, ordered)


def _saved(bond: Bond, facts: list[Fact]) -> dict[tuple[int, int], Decision]:
    saves = [fact for fact in facts if fact.type == EventType.SAVE]
    return {(bond.a, bond.b): Decision(State.SAVED, saves[-1].occurred_at, saves[-1].id)} if saves else {}


def _everywhere(bond: Bond, facts: list[Fact]) -> dict[tuple[int, int], Decision]:
    """The latest of block and unblock counts; a report stays, whatever comes after it."""
    sides: dict[int, Decision] = {}
    for fact in facts:
        before = sides.get(fact.actor)
        if fact.type == EventType.REPORT:
            sides[fact.actor] = Decision(State.REPORTED, fact.occurred_at, fact.id)
        elif before is not None and before.state == State.REPORTED:
            continue
        elif fact.type == EventType.BLOCK:
            sides[fact.actor] = Decision(State.BLOCKED, fact.occurred_at, fact.id)
        else:
            sides.pop(fact.actor, None)
    return _by_pair(bond, sides)


def _between(bond: Bond, facts: list[Fact]) -> dict[tuple[int, int], Decision]:
    """Each side's latest word; liked both ways is a match. Match and unmatch speak for both."""
    sides: dict[int, Decision] = {}
    for fact in facts:
        both = fact.type in (EventType.MATCH, EventType.UNMATCH)
        for side in (bond.a, bond.b) if both else (fact.actor,):
            sides[side] = Decision(_WORDS[fact.type], fact.occurred_at, fact.id)
    if len(sides) == 2 and all(decision.state == State.LIKED for decision in sides.values()):
        latest = max(sides.values(), key=lambda decision: (decision.at, decision.by))
        sides = dict.fromkeys(sides, latest._replace(state=State.MATCHED))
    return _by_pair(bond, sides)


def _by_pair(bond: Bond, sides: dict[int, Decision]) -> dict[tuple[int, int], Decision]:
    return {(side, bond.b if side == bond.a else bond.a): decision for side, decision in sides.items()}


_WORDS: dict[str, str] = {
    EventType.LIKE: State.LIKED,
    EventType.MATCH: State.LIKED,
    EventType.PASS: State.PASSED,
    EventType.UNMATCH: State.UNMATCHED,
}
