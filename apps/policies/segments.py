"""Named segments: conditions that rules, flags and other segments reuse. A segment can't contain itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from apps.policies.conditions import Tree, cost, expand, nodes, segments_in
from apps.policies.fields import Refusals, unique

Segment = dict[str, Any]
MAX_SEGMENTS, MAX_EXPANDED, MAX_LEVELS = 100, 1000, 5
FIELDS = {"key", "name", "of", "condition", "owner", "reason"}
KINDS = ("member", "place")


def check_segments(value: Any, noted: dict[str, str], path: str = "segments") -> list[Segment]:
    """The segments by key. Refusals are noted by path."""
    refusals = Refusals(noted, path)
    kinds = kinds_of(value)
    found = [
        _segment(entry, kinds, Refusals(noted, f"{path}.{i}"))
        for i, entry in refusals.each(value, MAX_SEGMENTS)
    ]
    unique(found, "key", refusals)
    if not refusals.any:
        _refuse_cycles(found, refusals)
    return sorted((segment for segment in found if segment), key=lambda segment: str(segment["key"]))


def kinds_of(value: Any) -> dict[str, str]:
    """What each segment is of, by key, however wrong the rest of it is."""
    entries = [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    return {
        entry["key"]: entry["of"]
        for entry in entries
        if isinstance(entry.get("key"), str) and entry.get("of") in KINDS
    }


def expanded(segments: Iterable[Mapping[str, Any]]) -> dict[str, Tree]:
    """Each segment's condition without any segment in it, by key."""
    by_key = {segment["key"]: segment["condition"] for segment in segments}
    done: dict[str, Tree] = {}
    for key in _order(by_key):
        done[key] = expand(by_key[key], done)
    return done


def with_segments_put_in(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with each segment's own condition wherever one is named: who is meant, whatever it is
    called. As it is where that can't be done: a draft may name segments that are gone."""
    try:
        segments = expanded(content.get("segments", []))
        return {
            **content,
            "surfaces": {
                key: {**policy, "rules": [_put_in(one, segments) for one in policy.get("rules", [])]}
                for key, policy in content["surfaces"].items()
            },
            "flags": [
                {**flag, "segments": [segments[key] for key in flag["segments"]]}
                for flag in content.get("flags", [])
            ],
            "experiments": [_put_in(one, segments) for one in content.get("experiments", [])],
        }
    except (CycleError, KeyError):
        return dict(content)


def _put_in(entry: Mapping[str, Any], segments: Mapping[str, Tree]) -> dict[str, Any]:
    trees = {name: entry[name] for name in ("viewers", "candidates", "audience") if entry.get(name)}
    return {**entry, **{name: expand(tree, segments) for name, tree in trees.items()}}


def expanded_cost(tree: Tree | None, costs: Mapping[str, int]) -> int:
    """Steps of a tree whose segments take so many steps, without putting them in."""
    return cost(tree) + sum(costs.get(node["segment"], 0) for node in nodes(tree) if "segment" in node)


def segment_costs(segments: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Steps of each segment with all it contains. Raises CycleError."""
    by_key = {segment["key"]: segment["condition"] for segment in segments}
    costs: dict[str, int] = {}
    for key in _order(by_key):
        costs[key] = expanded_cost(by_key[key], costs)
    return costs


def _order(by_key: Mapping[str, Tree]) -> list[str]:
    return list(TopologicalSorter({key: segments_in(tree) for key, tree in by_key.items()}).static_order())


def _segment(value: Any, kinds: Mapping[str, str], refusals: Refusals) -> Segment:
    if not refusals.keys(value, FIELDS):
        return {}
    of = refusals.one_of("of", value["of"], KINDS)
    if value["condition"] is None:
        refusals.add("condition", "A segment needs a condition.")
    segment = {
        "key": refusals.slug("key", value["key"]),
        "name": refusals.text("name", value["name"]),
        "of": of,
        "condition": refusals.condition("condition", value["condition"], of, kinds),
        "owner": refusals.text("owner", value["owner"]),
        "reason": refusals.text("reason", value["reason"], 300),
    }
    return {} if refusals.any else segment


def _refuse_cycles(segments: list[Segment], refusals: Refusals) -> None:
    """Counts before anything is put in: segments of segments grow fast, and nest deep."""
    try:
        costs = segment_costs(segments)
    except CycleError as cycle:
        refusals.add("", f"These contain each other: {', '.join(dict.fromkeys(cycle.args[1]))}.")
        return
    levels: dict[str, int] = {}
    by_key = {segment["key"]: segment["condition"] for segment in segments}
    for key in _order(by_key):
        levels[key] = 1 + max((levels[inner] for inner in segments_in(by_key[key])), default=0)
    for i, segment in enumerate(segments):
        if costs[segment["key"]] > MAX_EXPANDED:
            refusals.add(f"{i}.condition", f"With its segments it takes over {MAX_EXPANDED:,} steps.")
        elif levels[segment["key"]] > MAX_LEVELS:
            refusals.add(f"{i}.condition", f"Segments stand in each other at most {MAX_LEVELS} deep.")
