"""Rollout flags: a typed value that is on for a share of the members, for segments, or for a few by name.

Takes plain values, gives them in one spelling. Whether a flag is on for somebody is decided in
apps.releases.params; a killed flag is off whatever stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.policies.fields import Refusals, unique
from apps.policies.knobs import Knob

Flag = dict[str, Any]
MAX_FLAGS, MAX_ALLOWED, MAX_TEXT = 100, 200, 200
FIELDS = {
    "key", "name", "type", "on", "off", "percentage", "salt", "segments", "allow", "surface", "overrides",
    "priority", "owner", "reason", "starts_at", "ends_at",
}  # fmt: skip
TYPES: Mapping[str, str] = {"boolean": "Yes or no", "number": "A number", "text": "A text"}
FIXED = frozenset({"random_share"})  # a share of viewers itself: nothing that depends on a viewer switches it
# The order in which a flag is decided; the first that applies wins.
DECIDED_BY = (
    "killed: off",
    "before its start or after its end: off",
    "in the hold-out, where it changes a surface's knobs: off",
    "on the allow-list: on",
    "in none of its segments, where it has some: off",
    "within its percentage: on",
    "else: off",
)


def check_flags(
    value: Any,
    knobs_of: Callable[[str], Mapping[str, Knob]],
    surfaces: Mapping[str, str],
    segments: Mapping[str, str],
    noted: dict[str, str],
) -> list[Flag]:
    """The flags in order of priority, then key. `surfaces`: key to kind."""
    refusals = Refusals(noted, "flags")
    flags = [
        _flag(entry, knobs_of, surfaces, segments, Refusals(noted, f"flags.{i}"))
        for i, entry in refusals.each(value, MAX_FLAGS)
    ]
    unique(flags, "key", refusals)
    return sorted((flag for flag in flags if flag), key=lambda flag: (flag["priority"], flag["key"]))


def check_overrides(value: Any, known: Mapping[str, Knob], refusals: Refusals) -> dict[str, Any]:
    """Values of knobs by path, in one spelling."""
    if not isinstance(value, Mapping):
        refusals.add("overrides", "Must be an object of knobs and values.")
        return {}
    for path, given in value.items():
        refusal = known[path].refusal(given) if path in known else "There is no such knob."
        if path in FIXED:
            refusal = "Can't be switched for some viewers: it is a share of viewers itself."
        if refusal is not None:
            refusals.add(f"overrides.{path}"[:80], refusal)
    return {} if refusals.any else {path: known[path].normalise(value[path]) for path in sorted(value)}


def _flag(
    value: Any,
    knobs_of: Callable[[str], Mapping[str, Knob]],
    surfaces: Mapping[str, str],
    segments: Mapping[str, str],
    refusals: Refusals,
) -> Flag:
    if not refusals.keys(value, FIELDS):
        return {}
    flag_type = refusals.one_of("type", value["type"], TYPES)
    starts_at, ends_at = refusals.times(value)
    surface = value["surface"]
    if surface is not None and (not isinstance(surface, str) or surface not in surfaces):
        refusals.add("surface", "There is no such surface.")
        surface = None
    if surface is None and value["overrides"]:
        refusals.add("overrides", "A flag that changes knobs names its surface.")
    known = knobs_of(surfaces[surface]) if surface is not None else {}
    flag = {
        "key": refusals.slug("key", value["key"]),
        "name": refusals.text("name", value["name"]),
        "type": flag_type,
        "on": _typed("on", flag_type, value["on"], refusals),
        "off": _typed("off", flag_type, value["off"], refusals),
        "percentage": round(float(refusals.number("percentage", value["percentage"], 0, 100)), 2),
        "salt": refusals.text("salt", value["salt"], 64),
        "segments": _segments(value["segments"], segments, refusals),
        "allow": _allowed(value["allow"], refusals),
        "surface": surface,
        "overrides": check_overrides(value["overrides"], known, refusals) if surface else {},
        "priority": refusals.number("priority", value["priority"], 1, 1000, whole=True),
        "owner": refusals.text("owner", value["owner"]),
        "reason": refusals.text("reason", value["reason"], 300),
        "starts_at": starts_at,
        "ends_at": ends_at,
    }
    if flag["key"] == "salts":
        refusals.add("key", "This word is taken.")
    return {} if refusals.any else flag


def _typed(name: str, flag_type: str, value: Any, refusals: Refusals) -> Any:
    if flag_type == "boolean":
        if not isinstance(value, bool):
            refusals.add(name, "Must be true or false.")
        return value
    if flag_type == "number":
        return refusals.number(name, value, -1e12, 1e12)
    clean = isinstance(value, str) and len(value) <= MAX_TEXT and "\x00" not in value
    if not clean or value.encode("utf-8", "replace").decode() != value:
        refusals.add(name, f"Must be a text of at most {MAX_TEXT} letters.")
    return value


def _segments(value: Any, segments: Mapping[str, str], refusals: Refusals) -> list[str]:
    known = isinstance(value, list) and all(
        isinstance(key, str) and segments.get(key) == "member" for key in value
    )
    if not known:
        refusals.add("segments", "Must be keys of segments of members.")
        return []
    return sorted(set(value))


def _allowed(value: Any, refusals: Refusals) -> list[int]:
    numbers = isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 1 <= one < 2**31 for one in value
    )
    if not numbers or len(value) > MAX_ALLOWED:
        refusals.add("allow", f"Must be at most {MAX_ALLOWED} numbers of members.")
        return []
    return sorted(set(value))
