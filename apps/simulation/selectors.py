"""What the database says of a simulated market: numbers of its members and places, and who acted on whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from apps.interactions.models import Event, Relationship
from apps.members.models import Connection, Member
from apps.pipeline.contracts import I32
from apps.places.models import Place
from apps.simulation.population import I64
from apps.simulation.truth import index_of
from apps.simulation.world import World

GLOBAL = ("blocked", "reported")


@dataclass
class Ties:
    """What ties one viewer to others on a surface, both ways, by number."""

    excluded: set[int] = field(default_factory=set)
    liked_by: set[int] = field(default_factory=set)
    passed_by: set[int] = field(default_factory=set)


def indices_by_number(world: World, kind: str) -> I64:
    """[largest number + 1]: index in the world; -1 for whoever is not of this world."""
    model, start = (Member, f"sim{world.seed}-") if kind == "member" else (Place, f"sim{world.seed}-p")
    rows = list(model.objects.filter(external_id__startswith=start).values_list("number", "external_id"))
    result = np.full(max((number for number, _ in rows), default=0) + 1, -1, "i8")
    for number, external_id in rows:
        result[number] = index_of(external_id)
    return result


def ties_of(viewers: Iterable[int], surface: str, kind: str, *, seen_since: datetime) -> dict[int, Ties]:
    """Ties of these viewers: whom they acted on or saw lately, blocks, connections, who acted on them."""
    ties = {viewer: Ties() for viewer in viewers}
    seen = Event.objects.filter(actor__in=ties, type="impression", surface=surface, target_kind=kind)
    for actor, target in seen.filter(occurred_at__gt=seen_since).values_list("actor", "target"):
        ties[actor].excluded.add(int(target or 0))
    mine = Relationship.objects.filter(actor__in=ties)
    here = mine.filter(target_kind=kind, surface=surface) | mine.filter(target_kind="member", surface="")
    for actor, target, target_kind in here.values_list("actor", "target", "target_kind"):
        if target_kind == kind:
            ties[actor].excluded.add(target)
    if kind == "member":
        _add_others(ties, surface)
    return ties


def _add_others(ties: dict[int, Ties], surface: str) -> None:
    rows = Relationship.objects.filter(target__in=ties, target_kind="member", surface__in=(surface, ""))
    for actor, target, state in rows.values_list("actor", "target", "state"):
        if state in GLOBAL:
            ties[target].excluded.add(actor)
        elif state == "liked":
            ties[target].liked_by.add(actor)
        elif state == "passed":
            ties[target].passed_by.add(actor)
    for a, b in Connection.objects.values_list("a_id", "b_id"):  # they know each other
        for one, other in ((a, b), (b, a)):
            if one in ties:
                ties[one].excluded.add(other)


def as_numbers(numbers: set[int]) -> I32:
    """Sorted, as the pipeline wants them."""
    return np.array(sorted(numbers), "i4")
