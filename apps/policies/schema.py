"""The content of a revision or release: per surface, a value for every knob, pins and one percentage flag.

    {"surfaces": {"dating": {"kind": "member", "weights": {...}, "quotas": {...}, "diversity": 0.1, ...,
                             "pins": [12, 7], "flag": {"key", "percentage", "salt", "overrides"} | None}}}

Takes and gives plain JSON values; checks them, compares them, and never reads the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.common.errors import Unprocessable
from apps.policies.knobs import Knob, Value, knobs
from apps.surfaces.services import FIRST_SURFACES

Content = dict[str, Any]
FLAG_KEY = re.compile(r"^[a-z][a-z0-9_-]{0,31}$")
MAX_PINS = 20
FLAG_FIELDS = {"key", "percentage", "salt", "overrides"}

# Where a first release differs from the knobs' own defaults.
STARTING_POINTS: Mapping[str, Mapping[str, Value]] = {
    "networking": {
        "weights.complementary_crafts": 0.2,
        "weights.same_industry": 0.1,
        "weights.mutual_connections": 0.1,
    },
    "travel": {
        "daily_cap": 0,
        "weights.curated": 0.05,
        "weights.friends_saved": 0.05,
    },
}


class PolicyInvalid(Unprocessable):
    """Content that can't be published. `fields` maps a path (surface.knob) to a sentence."""

    code = "policy_invalid"
    title = "These policies are not valid."

    def __init__(self, fields: Mapping[str, str]) -> None:
        path, sentence = next(iter(fields.items()))
        super().__init__(f"{path}: {sentence}", field=path)
        self.fields = dict(fields)


@dataclass(frozen=True)
class Difference:
    """One value that differs: for staff, in the knob's words."""

    surface: str
    key: str
    label: str
    group: str
    unit: str
    before: Any
    after: Any

    @property
    def path(self) -> str:
        return f"{self.surface}.{self.key}"


def default_content(kinds: Mapping[str, str] | None = None) -> Content:
    """The content of release 1, for these surfaces (key to kind; by default the first three)."""
    if kinds is None:
        kinds = {key: surface["kind"] for key, surface in FIRST_SURFACES.items()}
    return {"surfaces": {key: default_policy(key, kind) for key, kind in kinds.items()}}


def default_policy(surface: str, kind: str) -> dict[str, Any]:
    """One surface's policy before anybody tuned it."""
    policy: dict[str, Any] = {"kind": kind, "weights": {}, "quotas": {}, "pins": [], "flag": None}
    starts = STARTING_POINTS.get(surface, {})
    for knob in knobs(kind).values():
        put(policy, knob.key, starts.get(knob.key, knob.default))
    return policy


def get(policy: Mapping[str, Any], key: str, absent: Any = None) -> Any:
    """The value at `key` ("diversity", "weights.affinity", "pins")."""
    group, _, name = key.rpartition(".")
    return (policy.get(group, {}) if group else policy).get(name, absent)


def put(policy: dict[str, Any], key: str, value: Any) -> None:
    """Sets the value at `key`."""
    group, _, name = key.rpartition(".")
    (policy.setdefault(group, {}) if group else policy)[name] = value


def carry_over(content: Mapping[str, Any], kinds: Mapping[str, str]) -> Content:
    """Older content as a draft of today: knobs that went are dropped, new ones start as `absent`."""
    old = content.get("surfaces", {})
    surfaces = {}
    for key, kind in kinds.items():
        if key not in old or old[key].get("kind") != kind:
            surfaces[key] = default_policy(key, kind)
            continue
        policy: dict[str, Any] = {"kind": kind, "weights": {}, "quotas": {}}
        for knob in knobs(kind).values():
            put(policy, knob.key, get(old[key], knob.key, knob.absent))
        flag = old[key].get("flag")
        if flag:
            known = {k: v for k, v in flag["overrides"].items() if k in knobs(kind)}
            flag = {**flag, "overrides": known}
        surfaces[key] = {**policy, "pins": list(old[key].get("pins", [])), "flag": flag}
    return {"surfaces": surfaces}


def validate_content(content: Mapping[str, Any]) -> Content:
    """The content with every knob present, in one spelling. Raises PolicyInvalid with all refusals."""
    refusals: dict[str, str] = {}
    surfaces = content.get("surfaces") if isinstance(content, Mapping) else None
    if not isinstance(surfaces, Mapping) or not surfaces or set(content) != {"surfaces"}:
        raise PolicyInvalid({"surfaces": "Must hold at least one surface, and nothing else."})
    checked = {key: _policy(key, policy, refusals) for key, policy in sorted(surfaces.items())}
    if refusals:
        raise PolicyInvalid(refusals)
    return {"surfaces": checked}


def _policy(surface: str, policy: Any, refusals: dict[str, str]) -> dict[str, Any]:
    if not isinstance(policy, Mapping) or policy.get("kind") not in ("member", "place"):
        refusals[f"{surface}.kind"] = "Must be member or place."
        return {}
    known = knobs(policy["kind"])
    checked: dict[str, Any] = {"kind": policy["kind"], "weights": {}, "quotas": {}}
    for path in _paths(policy):
        if path not in known and path not in ("kind", "pins", "flag"):
            refusals[f"{surface}.{path}"] = "There is no such knob."
    for knob in known.values():
        value = get(policy, knob.key, knob.absent)
        if (refusal := knob.refusal(value)) is not None:
            refusals[f"{surface}.{knob.key}"] = refusal
        else:
            put(checked, knob.key, knob.normalise(value))
    checked["pins"] = _pins(surface, policy.get("pins", []), refusals)
    checked["flag"] = _flag(surface, policy.get("flag"), known, refusals)
    return checked


def _paths(policy: Mapping[str, Any]) -> Iterator[str]:
    for key, value in policy.items():
        if key in ("weights", "quotas") and isinstance(value, Mapping):
            yield from (f"{key}.{name}" for name in value)
        else:
            yield str(key)


def _pins(surface: str, pins: Any, refusals: dict[str, str]) -> list[int]:
    whole = isinstance(pins, list) and all(isinstance(pin, int) and not isinstance(pin, bool) for pin in pins)
    if not whole or len(set(pins)) != len(pins) or len(pins) > MAX_PINS:
        refusals[f"{surface}.pins"] = f"Must be at most {MAX_PINS} numbers, each once."
        return []
    return list(pins)


def _flag(
    surface: str, flag: Any, known: Mapping[str, Knob], refusals: dict[str, str]
) -> dict[str, Any] | None:
    if flag is None:
        return None
    if (
        not isinstance(flag, Mapping)
        or set(flag) != FLAG_FIELDS
        or not isinstance(flag["overrides"], Mapping)
    ):
        refusals[f"{surface}.flag"] = "Must hold key, percentage, salt and overrides."
        return None
    refused = dict(_flag_refusals(flag, known))
    refusals.update({f"{surface}.flag.{path}": sentence for path, sentence in refused.items()})
    if refused:
        return None
    overrides = {key: known[key].normalise(value) for key, value in sorted(flag["overrides"].items())}
    return {
        "key": flag["key"],
        "percentage": round(float(flag["percentage"]), 2),
        "salt": flag["salt"],
        "overrides": overrides,
    }


def _flag_refusals(flag: Mapping[str, Any], known: Mapping[str, Knob]) -> Iterator[tuple[str, str]]:
    key, percentage, salt = flag["key"], flag["percentage"], flag["salt"]
    if not isinstance(key, str) or not FLAG_KEY.match(key) or key == "salts":
        yield "key", "Lower-case letters, digits, - and _; at most 32."
    if isinstance(percentage, bool) or not isinstance(percentage, int | float) or not 0 <= percentage <= 100:
        yield "percentage", "Must be between 0 and 100."
    if not isinstance(salt, str) or not 1 <= len(salt) <= 64:
        yield "salt", "Must be 1 to 64 letters."
    for path, value in flag["overrides"].items():
        refusal = known[path].refusal(value) if path in known else "There is no such knob."
        if path == "random_share":
            refusal = "Can't be switched by a flag: it is a share of viewers itself."
        if refusal is not None:
            yield f"overrides.{path}", refusal


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What `after` changes, in the order of the form; a surface on one side alone is one line."""
    old, new = before.get("surfaces", {}), after.get("surfaces", {})
    lines: list[Difference] = []
    for surface in sorted({*old, *new}):
        if surface not in old or surface not in new:
            stands = ("none", "added") if surface in new else ("present", "removed")
            lines.append(Difference(surface, "surface", "Surface", "Surface", "", *stands))
        else:
            lines += _policy_difference(surface, old[surface], new[surface])
    return lines


def _policy_difference(surface: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for knob in knobs(new["kind"]).values():
        was, now = get(old, knob.key, knob.absent), get(new, knob.key, knob.absent)
        if was != now:
            yield Difference(surface, knob.key, knob.label, knob.group, knob.unit, was, now)
    for key, label in (("pins", "Pins"), ("flag", "Rollout flag")):
        was, now = old.get(key) or None, new.get(key) or None
        if was != now:
            yield Difference(surface, key, label, "Rules", "", was, now)
