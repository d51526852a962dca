"""What a draft is about that nobody meets: rules, segments and audiences without anybody in them.

Takes the snapshot that serves and a content, gives sentences for whoever approves. Each distinct condition is
evaluated once per surface.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from apps.pipeline.conditions import evaluate
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import Table
from apps.policies.conditions import expand
from apps.policies.segments import expanded

Content = Mapping[str, Any]


def empty_audiences(snapshot: Snapshot | None, content: Content) -> list[str]:
    """One sentence for each; none without a snapshot."""
    if snapshot is None:
        return []
    met: dict[tuple[str, str, str], bool] = {}

    def is_empty(surface: str, side: str, tree: Mapping[str, Any]) -> bool:
        key = (surface, side, json.dumps(tree, sort_keys=True))
        if key not in met:
            met[key] = bool(evaluate(tree, _table(snapshot, surface, side), snapshot).any())
        return not met[key]

    return [
        sentence
        for sentence, surface, side, tree in _asked(content)
        if surface in snapshot.surfaces and is_empty(surface, side, tree)
    ]


def _table(snapshot: Snapshot, surface: str, side: str) -> Table:
    data = snapshot.surfaces[surface]
    return data.viewers if side == "viewers" else data.candidates


def _asked(content: Content) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """What to say when nobody meets it; on which surface, which side, and the condition without segments."""
    segments = expanded(content.get("segments", []))
    for surface, policy in sorted(content["surfaces"].items()):
        for rule in policy.get("rules", []):
            for side in ("viewers", "candidates"):
                if rule[side] is not None:
                    said = f"{surface.capitalize()}: nobody is among the {side} of {rule['name']}."
                    yield said, surface, side, expand(rule[side], segments)
    for one in content.get("segments", []):
        home = next((k for k, p in sorted(content["surfaces"].items()) if p["kind"] == one["of"]), None)
        if home is not None:
            yield f"The segment {one['name']} is empty.", home, "candidates", segments[one["key"]]
    for one in content.get("experiments", []):
        if one["audience"] is not None:
            said = f"Nobody is in the audience of the experiment {one['name']}."
            yield said, one["surface"], "viewers", expand(one["audience"], segments)
