"""Switching off one flag, rule or experiment at once, without a release, and lifting that again.

It only ever takes something away, so one person may do it. Web processes follow within a second.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.common.clock import now
from apps.common.errors import NotFound, Problem
from apps.policies.difference import EVERYWHERE
from apps.releases.audit import PUBLISH, record
from apps.releases.models import Switch
from apps.releases.notices import notify
from apps.releases.rights import must_be_editor, must_be_theirs
from apps.releases.selectors import live


def switch_off(kind: str, key: str, *, actor: User | None, reason: str) -> Switch:
    """Off from now on; safe to repeat. Raises NotFound when the live release has no such thing."""
    _may(actor, kind, key)
    reason = reason.replace("\x00", "").strip()
    if not 1 <= len(reason) <= 200:
        raise Problem("Say why, in 1 to 200 letters.", code="reason_missing", field="reason")
    if key not in known(kind):
        raise NotFound(f"The live release has no {kind} {key[:80]}.", code=f"unknown_{kind}", field="key")
    with transaction.atomic():
        switch, made = Switch.objects.get_or_create(
            kind=kind, key=key, lifted_at=None, defaults={"reason": reason, "by": actor}
        )
        if made:
            record(actor, "switch.off", str(switch), None, {"reason": reason})
            who = actor.get_username() if actor else "the system"
            notify(
                f"switch {switch.pk}", f"{switch} was switched off", f"By {who}: {reason}", permission=PUBLISH
            )
    return switch


def lift(kind: str, key: str, *, actor: User | None) -> bool:
    """As the release says again; False when it was not switched off."""
    _may(actor, kind, key)
    with transaction.atomic():
        switch = Switch.objects.select_for_update().filter(kind=kind, key=key, lifted_at=None).first()
        if switch is None:
            return False
        switch.lifted_at, switch.lifted_by = now(), actor
        switch.save(update_fields=["lifted_at", "lifted_by"])
        record(actor, "switch.lifted", str(switch), {"reason": switch.reason}, None)
    return True


def known(kind: str) -> set[str]:
    """The keys that can be switched off: what some viewers get, by the live release or one in its rollout."""
    if kind == Switch.Kind.RULE:
        return {
            f"{surface}/{rule['id']}"
            for content in _contents()
            for surface, policy in content["surfaces"].items()
            for rule in policy.get("rules", [])
        }
    return {one["key"] for one in _entries(kind)}


def _contents() -> list[dict[str, Any]]:
    row = live()
    return [row.stable_content] + ([row.candidate_content] if row.candidate_content else [])


def _entries(kind: str) -> list[dict[str, Any]]:
    """The flags, or the experiments."""
    if kind not in (Switch.Kind.FLAG, Switch.Kind.EXPERIMENT):
        return []
    return [one for content in _contents() for one in content.get(f"{kind}s", [])]


def _may(actor: User | None, kind: str, key: str) -> None:
    """As for an edit of it: a rule and an experiment belong to their surface, a flag to all."""
    must_be_editor(actor, "Only editors may switch something off.")
    if kind == Switch.Kind.RULE:
        must_be_theirs(actor, [key.partition("/")[0]])
    elif kind == Switch.Kind.EXPERIMENT:
        must_be_theirs(actor, {one["surface"] for one in _entries(kind) if one["key"] == key})
    elif kind == Switch.Kind.FLAG:
        must_be_theirs(actor, [EVERYWHERE])
