"""Service keys, and private answers with their audit entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.api.models import CallerClass, Scope, ServiceKey
from apps.common.errors import Problem
from apps.common.models import AuditEntry
from apps.delivery.services import explain


def create_service_key(
    name: str, scopes: Iterable[str], caller_class: str = CallerClass.INTERACTIVE
) -> tuple[ServiceKey, str]:
    """The row, and the key as `prefix.secret`: this is the only time that anybody sees it."""
    wanted = sorted(set(scopes))
    for scope in wanted:
        if scope not in Scope.values:
            raise Problem(
                f"There is no scope {scope}; they are {', '.join(Scope.values)}.",
                code="unknown_value",
                field="scopes",
            )
    if not 1 <= len(name) <= 50:
        raise Problem("A key's name has 1 to 50 characters.", field="name")
    row, secret = ServiceKey.objects.create_key(name=name, scopes=wanted, caller_class=caller_class)
    assert isinstance(row, ServiceKey)
    return row, secret


def explain_with_reason(
    *, surface: str, viewer: str, candidate: str, reason: str, asked_by: str
) -> dict[str, Any]:
    """One side's secret, for whoever says why; the audit entry comes first: no answer without it."""
    AuditEntry.objects.create(
        actor_name=asked_by,
        action="explain.private",
        subject=f"{viewer} {candidate}"[:128],
        after={"surface": surface, "reason": reason},
    )
    return explain(surface=surface, viewer=viewer, candidate=candidate, private=True)
