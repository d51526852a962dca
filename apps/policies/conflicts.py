"""What in a content works against itself: overlaps and contradictions of rules, flags that turn one knob, and
rules that end soon.

Takes a content and a time, gives sentences for whoever saves or approves; refuses nothing. Whether two
conditions can meet the same person is decided cautiously: unless they plainly exclude each other, they may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from apps.policies.conditions import Tree
from apps.policies.fields import seconds
from apps.policies.segments import expanded

SOON = 3 * 86_400.0  # a rule that ends within three days is named
Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Conflict:
    """One thing to think about. `severity`: contradiction, overlap or notice. `rules`: their ids,
    or the keys of flags."""

    severity: str
    surface: str
    rules: tuple[str, ...]
    sentence: str


def conflicts(content: Mapping[str, Any], now: float) -> list[Conflict]:
    """All of them."""
    return rule_conflicts(content, now) + flag_conflicts(content, now)


def brought(before: Mapping[str, Any], after: Mapping[str, Any], now: float) -> list[Conflict]:
    """Overlaps and contradictions that a change brings; what stood before it, and notices, are left out."""
    known = set(conflicts(before, now))
    return [one for one in conflicts(after, now) if one.severity != "notice" and one not in known]


def rule_conflicts(content: Mapping[str, Any], now: float) -> list[Conflict]:
    """Those of rules, surface by surface; rules that have ended are left out."""
    found: list[Conflict] = []
    segments = expanded(content.get("segments", []))
    for surface, policy in content["surfaces"].items():
        rules = [rule for rule in policy.get("rules", []) if seconds(rule["ends_at"]) > now]
        for one, other in combinations(rules, 2):
            if _at_once(one, other):
                found += [Conflict(*said) for said in _between(surface, one, other, segments)]
        found += _together(surface, policy, rules)
        found += [Conflict("contradiction", surface, (rule["id"],), s) for rule, s in _empty(rules, segments)]
        found += [Conflict("notice", surface, (rule["id"],), said) for rule, said in _ending(rules, now)]
    return found


def flag_conflicts(content: Mapping[str, Any], now: float) -> list[Conflict]:
    """Those of flags alone; flags that have ended are left out."""
    segments = expanded(content.get("segments", []))
    flags = [flag for flag in content.get("flags", []) if seconds(flag["ends_at"]) > now]
    return [said for pair in combinations(flags, 2) for said in _of_flags(*pair, segments)]


def may_meet(one: Tree | None, other: Tree | None, segments: Mapping[str, Tree]) -> bool:
    """Whether somebody may meet both conditions; False only where they plainly exclude each other."""
    return not any(_excludes(a, b) for a in _musts(one, segments) for b in _musts(other, segments))


def _of_flags(one: Rule, other: Rule, segments: Mapping[str, Tree]) -> Iterator[Conflict]:
    """Flags that turn the same knob: for whoever has both, the last in their order decides."""
    knobs = sorted(one["overrides"].keys() & other["overrides"].keys())
    if one["surface"] != other["surface"] or not knobs or not _at_once(one, other):
        return
    whose, others = ([segments.get(key) for key in flag["segments"]] or [None] for flag in (one, other))
    if any(may_meet(a, b, segments) for a in whose for b in others):
        last = max(one, other, key=lambda flag: (flag["priority"], flag["key"]))
        yield Conflict(
            "overlap", one["surface"], (one["key"], other["key"]),
            f"{one['name']} and {other['name']} both turn {', '.join(knobs)}: whoever has both gets what "
            f"{last['name']} says.",
        )  # fmt: skip


def _between(
    surface: str, one: Rule, other: Rule, segments: Mapping[str, Tree]
) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    if not may_meet(one["viewers"], other["viewers"], segments):
        return
    ids, names = (one["id"], other["id"]), f"{one['name']} and {other['name']}"
    types = {one["type"], other["type"]}
    same_candidates = may_meet(one["candidates"], other["candidates"], segments)
    if types == {"boost", "bury"} and same_candidates:
        yield "contradiction", surface, ids, f"{names} push the same candidates up and down."
    elif types <= {"boost"} and same_candidates and "factor" in one["effect"] and "factor" in other["effect"]:
        both = one["effect"]["factor"] * other["effect"]["factor"]
        yield "overlap", surface, ids, f"{names} can multiply the same candidate by {min(both, 4.0):g}."
    if shared := sorted({*one["effect"].get("slots", ())} & {*other["effect"].get("slots", ())}):
        places = ", ".join(map(str, shared))
        yield (
            "contradiction",
            surface,
            ids,
            f"{names} want the same slots ({places}); the first in order gets them.",
        )
    if types == {"pin"} and _pinned(one) & _pinned(other):
        yield "contradiction", surface, ids, f"{names} pin to the same places; the first in order gets them."
    if types == {"pin", "boost"}:
        pin, boost = (one, other) if one["type"] == "pin" else (other, one)
        if shared := sorted(_pinned(pin) & {*boost["effect"].get("slots", ())}):
            places = ", ".join(map(str, shared))
            yield (
                "contradiction",
                surface,
                ids,
                f"{boost['name']} wants slots ({places}) that {pin['name']} takes first.",
            )
    if types == {"pin", "cap"}:
        yield "overlap", surface, ids, f"{names}: whoever reached the cap is not pinned."
    if types == {"floor", "cap"} and same_candidates:
        floor, cap = (one, other) if one["type"] == "floor" else (other, one)
        if 0 < cap["effect"]["daily"] < floor["effect"]["daily"]:
            yield "contradiction", surface, ids, f"{floor['name']} wants more than {cap['name']} allows."


def _together(surface: str, policy: Mapping[str, Any], rules: Sequence[Rule]) -> Iterator[Conflict]:
    for rule_type, word in (("share_target", "share targets"), ("boost", "shares of boosts")):
        sharing = [rule for rule in rules if rule["type"] == rule_type and "share" in rule["effect"]]
        total = sum(rule["effect"]["share"] for rule in sharing)
        if total > 1:
            ids = tuple(rule["id"] for rule in sharing)
            yield Conflict("contradiction", surface, ids, f"The {word} add up to {total:.0%} of the places.")
    if policy.get("daily_cap", 0) or policy.get("hourly_cap", 0):
        for rule in rules:
            if rule["type"] == "pin":
                said = f"{rule['name']}: whoever reached the surface's exposure cap is not pinned."
                yield Conflict("notice", surface, (rule["id"],), said)
    for rule in rules:
        if rule["type"] == "floor" and 0 < policy.get("daily_cap", 0) < rule["effect"]["daily"]:
            said = f"{rule['name']} wants more than the exposure cap of {policy['daily_cap']} allows."
            yield Conflict("contradiction", surface, (rule["id"],), said)


def _empty(rules: Sequence[Rule], segments: Mapping[str, Tree]) -> Iterator[tuple[Rule, str]]:
    """Rules whose own condition excludes itself, as "at least 30 and at most 20"."""
    for rule in rules:
        for side in ("viewers", "candidates"):
            if not may_meet(rule[side], rule[side], segments):
                yield rule, f"{rule['name']} has {side} that nobody can be: its parts exclude each other."


def _ending(rules: Sequence[Rule], now: float) -> Iterator[tuple[Rule, str]]:
    for rule in rules:
        left = seconds(rule["ends_at"]) - now
        if left < SOON:
            hours = int(left // 3600)
            within = f"{hours} hours" if hours > 1 else "less than 2 hours"
            yield (
                rule,
                f"{rule['name']} ends in {f'{hours // 24} days' if hours >= 48 else within}.",
            )


def _at_once(one: Rule, other: Rule) -> bool:
    return bool(one["starts_at"] < other["ends_at"] and other["starts_at"] < one["ends_at"])


def _pinned(rule: Rule) -> set[int]:
    first = rule["effect"]["position"]
    return set(range(first, first + len(rule["effect"]["candidates"])))


def _musts(tree: Tree | None, segments: Mapping[str, Tree]) -> list[Tree]:
    """Leaves that everybody in the tree meets: itself, or the parts of nested alls."""
    if tree is None:
        return []
    if "segment" in tree:
        return _musts(segments.get(tree["segment"]), {})
    if "all" in tree:
        return [leaf for part in tree["all"] for leaf in _musts(part, segments)]
    return [tree] if "attribute" in tree else []


def _excludes(a: Tree, b: Tree) -> bool:
    if a["attribute"] != b["attribute"]:
        return False
    by_operator = {a["operator"]: a["value"], b["operator"]: b["value"]}
    if set(by_operator) == {"at_least", "at_most"}:
        return bool(by_operator["at_least"] > by_operator["at_most"])
    if set(by_operator) == {"is", "is_not"}:
        return bool(by_operator["is"] == by_operator["is_not"])
    if set(by_operator) == {"has_all", "has_none"}:
        return bool(set(by_operator["has_all"]) & set(by_operator["has_none"]))
    if set(by_operator) == {"has_any", "has_none"}:
        return set(by_operator["has_any"]) <= set(by_operator["has_none"])
    allowed = [_allowed(leaf) for leaf in (a, b)]
    return all(one is not None for one in allowed) and not set.intersection(*filter(None, allowed))


def _allowed(leaf: Tree) -> set[Any] | None:
    """The values that a choice leaves open; None where it is no choice."""
    if leaf["operator"] == "is":
        return {leaf["value"]}
    return set(leaf["value"]) if leaf["operator"] == "in" else None
