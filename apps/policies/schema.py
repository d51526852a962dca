"""The content of a revision or release: all that staff tune, as plain JSON values.

    {"surfaces": {"dating": {"kind": "member", "weights": {...}, "quotas": {...}, "source_weights": {...},
                             "source_shares": {...}, "source_budgets": {...}, "diversity": 0.1, ...,
                             "markets": {"paris": {"diversity": 0.2}}, "rules": [...]}},
     "segments": [...], "flags": [...], "experiments": [...], "governance": {...}}

Checks it and brings older content up to date; difference.py compares. Never reads the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

from apps.common import clock
from apps.common.errors import Unprocessable
from apps.policies.conditions import MAX_STEPS
from apps.policies.experiments import check_experiments
from apps.policies.fields import Refusals
from apps.policies.flags import check_flags, check_overrides
from apps.policies.governance import check_governance, default_governance
from apps.policies.knobs import OBJECTS, Knob, Value, knobs
from apps.policies.older import brought_up, is_older
from apps.policies.rules import check_rules
from apps.policies.segments import check_segments, expanded_cost, kinds_of, segment_costs
from apps.policies.shares import refuse_shares
from apps.surfaces.services import FIRST_SURFACES

Content = dict[str, Any]
PARTS = {"surfaces", "segments", "flags", "experiments", "governance"}
CARRIED = 90
# Where a first release differs from the knobs' own defaults. What was seen to help nowhere starts at 0.
STARTING_POINTS: Mapping[str, Mapping[str, Value]] = {
    "networking": {
        "weights.complementary_crafts": 0.2,
        "weights.same_industry": 0.1,
        "weights.mutual_connections": 0.1,
    },
    "travel": {
        "daily_cap": 0,
        "weights.curated": 0.05,
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


def default_content(kinds: Mapping[str, str] | None = None) -> Content:
    """The content of release 1, for these surfaces (key to kind; by default the first three)."""
    if kinds is None:
        kinds = {key: surface["kind"] for key, surface in FIRST_SURFACES.items()}
    surfaces = {key: default_policy(key, kind) for key, kind in kinds.items()}
    return {
        "surfaces": surfaces,
        "segments": [],
        "flags": [],
        "experiments": [],
        "governance": default_governance(),
    }


def default_policy(surface: str, kind: str) -> dict[str, Any]:
    """One surface's policy before anybody tuned it."""
    policy: dict[str, Any] = {"kind": kind, **{group: {} for group in OBJECTS}, "markets": {}, "rules": []}
    starts = STARTING_POINTS.get(surface, {})
    for knob in knobs(kind).values():
        put(policy, knob.key, starts.get(knob.key, knob.default))
    return policy


def get(policy: Mapping[str, Any], key: str, absent: Any = None) -> Any:
    """The value at `key` ("diversity", "weights.affinity", "rules")."""
    group, _, name = key.rpartition(".")
    return (policy.get(group, {}) if group else policy).get(name, absent)


def put(policy: dict[str, Any], key: str, value: Any) -> None:
    """Sets the value at `key`."""
    group, _, name = key.rpartition(".")
    (policy.setdefault(group, {}) if group else policy)[name] = value


def carry_over(content: Mapping[str, Any], kinds: Mapping[str, str]) -> Content:
    """Older content as a draft of today: knobs that went are dropped, new ones start as `absent`.

    What had no end before, a pin or a flag, now ends in CARRIED days.
    """
    if is_older(content):
        start = clock.now().replace(microsecond=0)
        dates = tuple(f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (start, start + timedelta(days=CARRIED)))
        content = brought_up(content, (dates[0], dates[1]))
    old = content.get("surfaces", {})
    surfaces = {key: _carried(key, kind, old.get(key)) for key, kind in kinds.items()}
    return {
        "surfaces": surfaces,
        "segments": deepcopy(content.get("segments", [])),
        "flags": [_known_only(one, kinds) for one in content.get("flags", []) if _stands(one, kinds)],
        "experiments": [deepcopy(one) for one in content.get("experiments", []) if _stands(one, kinds)],
        "governance": {**default_governance(), **content.get("governance", {})},
    }


def _carried(surface: str, kind: str, old: Mapping[str, Any] | None) -> dict[str, Any]:
    if old is None or old.get("kind") != kind:
        return default_policy(surface, kind)
    policy: dict[str, Any] = {"kind": kind, **{group: {} for group in OBJECTS}}
    for knob in knobs(kind).values():
        put(policy, knob.key, get(old, knob.key, knob.absent))
    markets = {
        market: {path: value for path, value in values.items() if path in knobs(kind)}
        for market, values in old.get("markets", {}).items()
    }
    return {**policy, "markets": markets, "rules": deepcopy(old.get("rules", []))}


def _stands(one: Mapping[str, Any], kinds: Mapping[str, str]) -> bool:
    return one["surface"] is None or one["surface"] in kinds


def _known_only(flag: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    known = knobs(kinds[flag["surface"]]) if flag["surface"] else {}
    return {**deepcopy(dict(flag)), "overrides": {k: v for k, v in flag["overrides"].items() if k in known}}


def validate_content(content: Mapping[str, Any]) -> Content:
    """The content with every knob present, in one spelling. Raises PolicyInvalid with all refusals."""
    noted: dict[str, str] = {}
    if (
        not isinstance(content, Mapping)
        or set(content) - PARTS
        or not isinstance(content.get("surfaces"), Mapping)
    ):
        raise PolicyInvalid({"surfaces": f"The parts of a content are {', '.join(sorted(PARTS))}."})
    if not content["surfaces"]:
        raise PolicyInvalid({"surfaces": "Must hold at least one surface."})
    segments = check_segments(content.get("segments", []), noted)
    named = kinds_of(content.get("segments", []))
    surfaces = {
        key: _policy(key, policy, named, noted) for key, policy in sorted(content["surfaces"].items())
    }
    kinds = {key: policy["kind"] for key, policy in surfaces.items() if policy}
    checked = {
        "surfaces": surfaces,
        "segments": segments,
        "flags": check_flags(content.get("flags", []), knobs, kinds, named, noted),
        "experiments": check_experiments(content.get("experiments", []), knobs, kinds, named, noted),
        "governance": check_governance(content.get("governance", {}), noted),
    }
    if not noted:
        _refuse_dear(checked, noted)
        refuse_shares(checked, noted)
    if noted:
        raise PolicyInvalid(noted)
    return checked


def _refuse_dear(content: Content, noted: dict[str, str]) -> None:
    """Conditions that take too many steps once their segments stand in them."""
    costs = segment_costs(content["segments"])
    trees = {
        f"{key}.rules.{i}.{side}": rule[side]
        for key, policy in content["surfaces"].items()
        for i, rule in enumerate(policy["rules"])
        for side in ("viewers", "candidates")
    } | {f"experiments.{i}.audience": one["audience"] for i, one in enumerate(content["experiments"])}
    for path, tree in trees.items():
        if expanded_cost(tree, costs) > MAX_STEPS:
            noted[path] = f"With its segments it takes over {MAX_STEPS:,} steps."


def _policy(surface: str, policy: Any, segments: Mapping[str, str], noted: dict[str, str]) -> dict[str, Any]:
    if not isinstance(policy, Mapping) or policy.get("kind") not in ("member", "place"):
        noted[f"{surface}.kind"] = "Must be member or place."
        return {}
    known = knobs(policy["kind"])
    checked: dict[str, Any] = {"kind": policy["kind"], **{group: {} for group in OBJECTS}}
    for group in OBJECTS:
        if not isinstance(policy.get(group, {}), Mapping):
            noted[f"{surface}.{group}"] = "Must be an object of numbers."
            policy = {**policy, group: {}}
    for path in _paths(policy):
        if path not in known and path not in ("kind", "markets", "rules"):
            noted[f"{surface}.{path}"] = "There is no such knob."
    for knob in known.values():
        value = get(policy, knob.key, knob.absent)
        if (refusal := knob.refusal(value)) is not None:
            noted[f"{surface}.{knob.key}"] = refusal
        else:
            put(checked, knob.key, knob.normalise(value))
    checked["markets"] = _markets(policy.get("markets", {}), known, noted, f"{surface}.markets")
    checked["rules"] = check_rules(
        policy.get("rules", []), policy["kind"], segments, noted, f"{surface}.rules"
    )
    return checked


def _markets(value: Any, known: Mapping[str, Knob], noted: dict[str, str], path: str) -> dict[str, Any]:
    refusals = Refusals(noted, path)
    if not isinstance(value, Mapping):
        refusals.add("", "Must be an object of markets.")
        return {}
    markets = {}
    for market in value:
        key = refusals.slug(str(market)[:40], market)
        found = check_overrides(value[market], known, Refusals(noted, f"{path}.{key}"))
        if found:
            markets[key] = found
    return dict(sorted(markets.items()))


def _paths(policy: Mapping[str, Any]) -> Iterator[str]:
    for key, value in policy.items():
        if key in OBJECTS and isinstance(value, Mapping):
            yield from (f"{key}.{name}" for name in value)
        else:
            yield str(key)
