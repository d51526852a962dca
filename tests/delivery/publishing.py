"""A release made from a few changes to what is live."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

from apps.common import clock
from apps.delivery.runtime import Runtime
from apps.policies.schema import validate_content
from apps.releases.publishing import publish_revision
from apps.releases.selectors import live_release
from apps.releases.services import start_revision
from tests.policies import examples


def in_days(days: float) -> str:
    """A moment as contents spell it."""
    return f"{clock.now() + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def rule(id: str, type: str = "boost", **values: Any) -> dict[str, Any]:
    """A rule that is live now."""
    dates = {"starts_at": in_days(-1), "ends_at": in_days(90)}
    return examples.rule(**({"id": id, "name": id, "type": type} | dates | values))


def age_at_most(years: int) -> dict[str, Any]:
    return {"attribute": "age", "operator": "at_most", "value": years}


def content_with(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """What is live, changed, and checked."""
    content = deepcopy(live_release().content)
    content["surfaces"]["dating"]["random_share"] = 0.0
    change(content)
    return validate_content(content)


def publish(serving: Runtime, change: Callable[[dict[str, Any]], object]) -> int:
    """The number of the new release, which this process serves."""
    draft = start_revision(actor=None)
    draft.content = content_with(change)
    draft.save()
    release = publish_revision(draft, actor=None, note="for a test")
    serving.poll()
    assert serving.world.live is not None
    assert serving.world.live.stable_number == release.number
    return release.number


def with_rules(
    *rules: dict[str, Any], surface: str = "dating", **knobs: Any
) -> Callable[[dict[str, Any]], object]:
    """Sets a surface's rules and knobs."""
    return lambda content: content["surfaces"][surface].update(rules=list(rules), **knobs)
