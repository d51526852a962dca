"""Which parts of a draft somebody may change: all, or those of some surfaces (SurfaceLimit).

What all surfaces share (segments, flags, governance) is changed only by people without a limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User

from apps.common.errors import Denied
from apps.policies.difference import EVERYWHERE, Difference
from apps.releases.models import SurfaceLimit

EDIT = "releases.change_revision"


def must_be_editor(actor: User | None, message: str) -> None:
    """Raises Denied. Nobody is the system itself, which may."""
    if actor is not None and not actor.has_perm(EDIT):
        raise Denied(message, code="editor_needed")


def surfaces_of(actor: User) -> frozenset[str] | None:
    """The surfaces whose parts they may change; None is all."""
    limit = SurfaceLimit.objects.filter(user=actor).first()
    return None if limit is None else frozenset(limit.surfaces)


def must_be_theirs(actor: User | None, surfaces: Iterable[str]) -> None:
    """Raises Denied when they are limited and one of `surfaces` (EVERYWHERE: shared parts) is not theirs."""
    allowed = None if actor is None else surfaces_of(actor)
    if allowed is None:
        return
    for surface in sorted(set(surfaces) - allowed):
        what = f"the surface {surface}" if surface else "what all surfaces share"
        raise Denied(
            f"You may change {', '.join(sorted(allowed)) or 'no surface'} only, not {what}.",
            code="other_surface",
        )


def surfaces_touched(lines: Iterable[Difference]) -> set[str]:
    """The surfaces whose lists the lines are about. An experiment counts for the surface it runs on."""
    return {line.surface or _of_experiment(line.before, line.after) for line in lines}


def _of_experiment(*sides: Any) -> str:
    found = {side["surface"] for side in sides if isinstance(side, dict) and "surface" in side}
    return found.pop() if len(found) == 1 else EVERYWHERE
