"""Relationships as look-ups: of a pair, and all that a viewer's lists must know of."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from apps.interactions.models import Relationship


def relations_of(number: int) -> QuerySet[Relationship]:
    """Every relationship between this member and other members or places, both ways."""
    return Relationship.objects.filter(Q(actor=number) | Q(target=number, target_kind="member"))


def blocked_numbers(number: int) -> set[int]:
    """Whom this member blocked or reported, and who blocked or reported them."""
    states = (Relationship.State.BLOCKED, Relationship.State.REPORTED)
    pairs = relations_of(number).filter(surface="", state__in=states).values_list("actor", "target")
    return {target if actor == number else actor for actor, target in pairs}


def relationship(actor: int, target: int, surface: str = "", kind: str = "member") -> str:
    """The state that `actor` made towards `target`; empty without one. No surface: block and report."""
    found = Relationship.objects.filter(actor=actor, target=target, target_kind=kind, surface=surface)
    return found.values_list("state", flat=True).first() or ""
