"""Experiments as a release says them: who is in, which variants, from when to when. Frozen once started.

Takes plain values, gives them in one spelling; says what a new content would change in an experiment that
runs. Assignment and statistics are in apps.experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from apps.policies.fields import Refusals, seconds, unique
from apps.policies.flags import check_overrides
from apps.policies.knobs import Knob
from apps.policies.segments import with_segments_put_in

Experiment = dict[str, Any]
MAX_EXPERIMENTS, MAX_VARIANTS = 50, 8
FIELDS = {
    "key", "name", "surface", "hypothesis", "metric", "guardrails", "unit", "layer", "layer_range",
    "salt", "phase", "coverage", "audience", "variants", "starts_at", "ends_at", "stop_rule",
    "owner", "reason",
}  # fmt: skip
UNITS = {"member": "Each member by themselves", "market": "Whole markets"}
METRICS: Mapping[str, str] = {
    "matches": "Matches per member",
    "likes_given": "Likes given per member",
    "likes_received": "Likes received per member",
    "messages": "Messages sent per member",
    "replies": "Replies sent per member",
    "saves": "Places saved per member",
    "impressions": "People or places seen per member",
    "passes": "Passes given per member",
    "reports": "Reports made per member",
    "blocks": "Blocks made per member",
}
STOP_RULES = {"fixed_horizon": "Read once, at the end"}
FREE_ONCE_STARTED = frozenset({"ends_at", "phase"})  # an earlier end; a higher phase starts it anew


def check_experiments(
    value: Any,
    knobs_of: Callable[[str], Mapping[str, Knob]],
    surfaces: Mapping[str, str],
    segments: Mapping[str, str],
    noted: dict[str, str],
) -> list[Experiment]:
    """The experiments by key. Refusals are noted by path."""
    refusals = Refusals(noted, "experiments")
    found = [
        _experiment(entry, knobs_of, surfaces, segments, Refusals(noted, f"experiments.{i}"))
        for i, entry in refusals.each(value, MAX_EXPERIMENTS)
    ]
    unique(found, "key", refusals)
    if not refusals.any:
        _refuse_overlaps(found, refusals)
    return sorted((one for one in found if one), key=lambda one: str(one["key"]))


def running(content: Mapping[str, Any], now: float) -> list[Experiment]:
    """The experiments of a content that have started and not ended."""
    return [
        one
        for one in content.get("experiments", [])
        if seconds(one["starts_at"]) <= now < seconds(one["ends_at"])
    ]


def experiment_refusals(live: Mapping[str, Any], new: Mapping[str, Any], now: float) -> dict[str, str]:
    """What `new` may not do to experiments that have started in the live content, by key, as sentences."""
    live, new = with_segments_put_in(live), with_segments_put_in(new)
    later = {one["key"]: one for one in new.get("experiments", [])}
    refusals = {}
    for one in live.get("experiments", []):
        if seconds(one["starts_at"]) > now:
            continue
        sentence = _frozen(one, later.get(one["key"]), now)
        if sentence:
            refusals[one["key"]] = sentence
    return refusals


def touched_experiments(live: Mapping[str, Any], new: Mapping[str, Any], now: float) -> dict[str, list[str]]:
    """Running experiments, and their knobs that `new` changes on the surface without starting them anew."""
    from apps.policies.schema import get

    live, new = with_segments_put_in(live), with_segments_put_in(new)
    later = {one["key"]: one for one in new.get("experiments", [])}
    touched: dict[str, list[str]] = {}
    for one in running(live, now):
        if one["key"] in later and later[one["key"]]["phase"] > one["phase"]:
            continue
        before = live["surfaces"].get(one["surface"], {})
        after = new["surfaces"].get(one["surface"], {})
        paths = {path for variant in one["variants"] for path in variant["overrides"]}
        changed = [
            path
            for path in sorted(paths)
            if get(before, path) != get(after, path)
            or _in_markets(before, path) != _in_markets(after, path)
            or _by_flags(live, one["surface"], path) != _by_flags(new, one["surface"], path)
        ]
        if changed:
            touched[one["key"]] = changed
    return touched


def salt_of(experiment: Mapping[str, Any]) -> str:
    """What its hash is salted with: another phase deals everybody anew."""
    return f"{experiment['salt']}:{experiment['phase']}"


def _in_markets(policy: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {market: values[path] for market, values in policy.get("markets", {}).items() if path in values}


def _by_flags(content: Mapping[str, Any], surface: str, path: str) -> list[Any]:
    """All of the flags that turn a knob: who has them decides what the control group sees."""
    return [
        {name: value for name, value in flag.items() if name not in ("name", "owner", "reason", "overrides")}
        | {"value": flag["overrides"][path]}
        for flag in content.get("flags", [])
        if flag["surface"] == surface and path in flag["overrides"]
    ]


def _frozen(one: Experiment, later: Experiment | None, now: float) -> str | None:
    if later is None:
        return "It runs: end it before you remove it." if now < seconds(one["ends_at"]) else None
    if later["phase"] < one["phase"]:
        return "Its phase can only rise."
    if later["phase"] > one["phase"]:
        return None
    changed = [name for name in sorted(FIELDS - FREE_ONCE_STARTED) if one[name] != later[name]]
    changed = ["audience (with the segments in it)" if name == "audience" else name for name in changed]
    if changed:
        return f"It has started, so {', '.join(changed)} stays as it is. Raise the phase to start it anew."
    if seconds(later["ends_at"]) > seconds(one["ends_at"]):
        return "It has started: it may end earlier, not later."
    return None


def _experiment(
    value: Any,
    knobs_of: Callable[[str], Mapping[str, Knob]],
    surfaces: Mapping[str, str],
    segments: Mapping[str, str],
    refusals: Refusals,
) -> Experiment:
    if not refusals.keys(value, FIELDS):
        return {}
    surface = refusals.one_of("surface", value["surface"], tuple(surfaces))
    starts_at, ends_at = refusals.times(value)
    found = {
        "key": refusals.slug("key", value["key"]),
        "name": refusals.text("name", value["name"]),
        "surface": surface,
        "hypothesis": refusals.text("hypothesis", value["hypothesis"], 500),
        "metric": refusals.one_of("metric", value["metric"], METRICS),
        "guardrails": _guardrails(value["guardrails"], refusals),
        "unit": refusals.one_of("unit", value["unit"], UNITS),
        "layer": refusals.slug("layer", value["layer"]),
        "layer_range": _range(value["layer_range"], refusals),
        "salt": refusals.text("salt", value["salt"], 64),
        "phase": refusals.number("phase", value["phase"], 1, 1000, whole=True),
        "coverage": refusals.number("coverage", value["coverage"], 0, 1),
        "audience": refusals.condition("audience", value["audience"], "member", segments),
        "variants": _variants(value["variants"], knobs_of(surfaces[surface]) if surface else {}, refusals),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "stop_rule": refusals.one_of("stop_rule", value["stop_rule"], STOP_RULES),
        "owner": refusals.text("owner", value["owner"]),
        "reason": refusals.text("reason", value["reason"], 300),
    }
    if found["key"] == "salts":
        refusals.add("key", "This word is taken.")
    return {} if refusals.any else found


def _guardrails(value: Any, refusals: Refusals) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one in METRICS for one in value):
        refusals.add("guardrails", f"Must be some of: {', '.join(METRICS)}.")
        return []
    return sorted(set(value))


def _range(value: Any, refusals: Refusals) -> list[float]:
    numbers = isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1 for one in value
    )
    if not numbers or len(value) != 2 or value[0] >= value[1]:
        refusals.add("layer_range", "Must be two numbers from 0 to 1, the lower first.")
        return [0.0, 1.0]
    return [round(float(one), 4) for one in value]


def _variants(value: Any, known: Mapping[str, Knob], refusals: Refusals) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 2 <= len(value) <= MAX_VARIANTS:
        refusals.add("variants", f"Must be 2 to {MAX_VARIANTS} variants, the control first.")
        return []
    variants = [
        _variant(one, known, Refusals(refusals.noted, f"{refusals.path}.variants.{i}"))
        for i, one in enumerate(value)
    ]
    unique(variants, "key", Refusals(refusals.noted, f"{refusals.path}.variants"))
    if all(variants) and variants[0]["overrides"]:
        refusals.add("variants.0.overrides", "The first variant is the control: it changes nothing.")
    if all(variants) and abs(sum(variant["weight"] for variant in variants) - 1) > 1e-3:
        refusals.add("variants", "Their weights must add up to 1.")
    return variants


def _variant(value: Any, known: Mapping[str, Knob], refusals: Refusals) -> dict[str, Any]:
    if not refusals.keys(value, {"key", "name", "weight", "overrides"}):
        return {}
    variant = {
        "key": refusals.slug("key", value["key"]),
        "name": refusals.text("name", value["name"]),
        "weight": refusals.number("weight", value["weight"], 0.01, 0.99),
        "overrides": check_overrides(value["overrides"], known, refusals),
    }
    return {} if refusals.any else variant


def _refuse_overlaps(found: Sequence[Experiment], refusals: Refusals) -> None:
    for i, one in enumerate(found):
        for other in found[:i]:
            if one["starts_at"] < other["ends_at"] and other["starts_at"] < one["ends_at"]:
                for field, sentence in _against(one, other):
                    refusals.add(f"{i}.{field}", sentence)


def _against(one: Experiment, other: Experiment) -> Iterator[tuple[str, str]]:
    """Two at once: each with a salt of its own; in one layer dealt alike and side by side; in two layers
    without a knob in common."""
    if salt_of(one) == salt_of(other):
        yield "salt", f"{other['key']} has this salt too: both would put the same members into the same arms."
    if one["layer"] != other["layer"]:
        if shared := _knobs(one) & _knobs(other):
            names = ", ".join(sorted(path for _, path in shared))
            yield "variants", f"{other['key']} turns {names} too: put both into one layer, side by side."
        return
    if one["unit"] != other["unit"]:  # members and markets fall into a layer by different hashes
        yield (
            "unit",
            f"{other['key']} is dealt otherwise in the layer {one['layer']}, so that some would be in both. "
            "Deal both alike, or give this one a layer of its own.",
        )
    (a, b), (c, d) = one["layer_range"], other["layer_range"]
    if a < d and c < b:
        yield "layer_range", f"Overlaps {other['key']} in the layer {one['layer']}."


def _knobs(experiment: Experiment) -> set[tuple[str, str]]:
    return {
        (experiment["surface"], path) for variant in experiment["variants"] for path in variant["overrides"]
    }
