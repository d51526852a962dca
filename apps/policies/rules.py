"""Rules of a surface: boosts, buries, pins, caps, cool-downs, floors and share targets.

Takes plain values, gives them in one spelling; a rule without an owner, a reason and an end is refused. What
a rule does to a list is the pipeline's (apps.pipeline.rules); floors and share targets are held by the pacer
(apps.delivery.pacer).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.policies.fields import Refusals, unique

Rule = dict[str, Any]
MAX_RULES, MAX_PINS, MAX_POSITION = 200, 20, 100
TYPES: Mapping[str, str] = {
    "boost": "Moves candidates up: by a factor, into slots, or to a share of each list.",
    "bury": "Moves candidates down: by a factor, or to at most a share of each list.",
    "pin": "Puts chosen candidates at a place of the list, when they are eligible.",
    "cap": "Shows each of these candidates at most so often.",
    "cooldown": "Keeps each of these candidates away from a viewer who saw them, for so many days.",
    "floor": "Wants each of these candidates shown at least so often a day.",
    "share_target": "Wants these candidates to have a share of all places shown.",
}
PACED = frozenset({"floor", "share_target"})
FIELDS = {
    "id", "name", "type", "viewers", "candidates", "effect", "priority", "owner", "reason",
    "starts_at", "ends_at",
}  # fmt: skip
# By type: the ways to say its effect, each a set of keys.
EFFECTS: Mapping[str, tuple[frozenset[str], ...]] = {
    "boost": (frozenset({"factor"}), frozenset({"slots"}), frozenset({"share"})),
    "bury": (frozenset({"factor"}), frozenset({"share"})),
    "pin": (frozenset({"candidates", "position"}),),
    "cap": (frozenset({"daily", "hourly"}),),
    "cooldown": (frozenset({"days"}),),
    "floor": (frozenset({"daily", "tolerance"}),),
    "share_target": (frozenset({"share", "tolerance"}),),
}


def check_rules(
    value: Any, kind: str, segments: Mapping[str, str], noted: dict[str, str], path: str
) -> list[Rule]:
    """The rules in order of priority, then id. Refusals are noted by path."""
    refusals = Refusals(noted, path)
    rules = [
        _rule(entry, kind, segments, Refusals(noted, f"{path}.{i}"))
        for i, entry in refusals.each(value, MAX_RULES)
    ]
    unique(rules, "id", refusals)
    return sorted((rule for rule in rules if rule), key=lambda rule: (rule["priority"], rule["id"]))


def _rule(value: Any, kind: str, segments: Mapping[str, str], refusals: Refusals) -> Rule:
    if not refusals.keys(value, FIELDS):
        return {}
    starts_at, ends_at = refusals.times(value)
    rule_type = refusals.one_of("type", value["type"], TYPES)
    rule = {
        "id": refusals.slug("id", value["id"]),
        "name": refusals.text("name", value["name"]),
        "type": rule_type,
        "viewers": refusals.condition("viewers", value["viewers"], "member", segments),
        "candidates": refusals.condition("candidates", value["candidates"], kind, segments),
        "effect": _effect(rule_type, value["effect"], Refusals(refusals.noted, f"{refusals.path}.effect")),
        "priority": refusals.number("priority", value["priority"], 1, 1000, whole=True),
        "owner": refusals.text("owner", value["owner"]),
        "reason": refusals.text("reason", value["reason"], 300),
        "starts_at": starts_at,
        "ends_at": ends_at,
    }
    if rule_type == "pin" and value["candidates"] is not None:
        refusals.add("candidates", "A pin names its candidates itself.")
    return {} if refusals.any else rule


def _effect(rule_type: str, value: Any, refusals: Refusals) -> dict[str, Any]:
    given = frozenset(value) if isinstance(value, Mapping) else frozenset()
    if given not in EFFECTS[rule_type]:
        ways = " or ".join(", ".join(sorted(way)) for way in EFFECTS[rule_type])
        refusals.add("", f"A {rule_type.replace('_', ' ')} says {ways}.")
        return {}
    return {name: _CHECKS[name](rule_type, value[name], refusals) for name in sorted(given)}


def _factor(rule_type: str, value: Any, refusals: Refusals) -> Any:
    low, high = (1.0, 4.0) if rule_type == "boost" else (0.1, 1.0)
    return refusals.number("factor", value, low, high)


def _share(rule_type: str, value: Any, refusals: Refusals) -> Any:
    low, high = {"boost": (0.01, 0.5), "bury": (0.0, 1.0), "share_target": (0.01, 1.0)}[rule_type]
    return refusals.number("share", value, low, high)


def _numbers(name: str, value: Any, most: int, high: int, refusals: Refusals) -> list[int]:
    whole = isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= high for one in value
    )
    if not whole or not 1 <= len(value) <= most or len(set(value)) != len(value):
        refusals.add(name, f"Must be 1 to {most} whole numbers of at least 1, each once.")
        return []
    return list(value)


_CHECKS: Mapping[str, Any] = {
    "factor": _factor,
    "share": _share,
    "slots": lambda _, value, refusals: sorted(_numbers("slots", value, 20, MAX_POSITION, refusals)),
    "candidates": lambda _, value, refusals: _numbers("candidates", value, MAX_PINS, 2**31 - 1, refusals),
    "position": lambda _, value, refusals: refusals.number("position", value, 1, MAX_POSITION, whole=True),
    "daily": lambda _, value, refusals: refusals.number("daily", value, 0, 100_000, whole=True),
    "hourly": lambda _, value, refusals: refusals.number("hourly", value, 0, 100_000, whole=True),
    "days": lambda _, value, refusals: refusals.number("days", value, 1, 365, whole=True),
    "tolerance": lambda _, value, refusals: refusals.number("tolerance", value, 0, 1),
}
