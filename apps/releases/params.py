"""From a release's content and a viewer to frozen PipelineParams; from the live row to a viewer's release.

Pure: content and the viewer's id in, values out. Each content is turned into params once per process and then
looked up by identity, so a content dict must not be changed after it was given here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from apps.common.errors import NotFound
from apps.common.hashing import in_share
from apps.pipeline.lineup import LINEUPS
from apps.pipeline.params import PipelineParams
from apps.policies.schema import put
from apps.releases.selectors import LiveRow

LINEUP_OF = {lineup.kind: lineup.name for lineup in LINEUPS.values()}
PLAIN = ("reciprocity_weight", "diversity", "exploration", "daily_cap", "hold_minutes", "cooldown_days")
KEPT = 16  # contents a process remembers: the live ones and a few drafts

Assignment = tuple[bool, bool]  # flag on, random order


@dataclass(frozen=True)
class Compiled:
    """One surface of one release: a params for each assignment, and how a viewer comes by theirs."""

    surface: str
    flag: Mapping[str, Any] | None
    random_share: float
    params: Mapping[Assignment, PipelineParams]

    def assignment(self, viewer: str) -> Assignment:
        on = self.flag is not None and in_share(self.flag["salt"], viewer, self.flag["percentage"])
        return on, in_share(f"random-order:{self.surface}", viewer, self.random_share)


_compiled: dict[int, tuple[Mapping[str, Any], dict[str, Compiled]]] = {}


def build_params(content: Mapping[str, Any], surface: str, *, viewer: str) -> PipelineParams:
    """What this content says on a surface for the viewer (external id). NotFound on an unknown surface."""
    compiled = _surface(content, surface)
    return compiled.params[compiled.assignment(viewer)]


def assignments(content: Mapping[str, Any], surface: str, viewer: str) -> dict[str, Any]:
    """Flag -> "on" or "off", with its salt under "salts"; empty where the surface has no flag."""
    compiled = _surface(content, surface)
    if compiled.flag is None:
        return {}
    key, salt = compiled.flag["key"], compiled.flag["salt"]
    return {key: "on" if compiled.assignment(viewer)[0] else "off", "salts": {key: salt}}


def release_for(live: LiveRow, viewer: str) -> tuple[int, Mapping[str, Any]]:
    """Number and content of this viewer's release: the candidate for its share, else the stable one."""
    if live.candidate_number is None or live.candidate_content is None:
        return live.stable_number, live.stable_content
    if in_share(live.salt, viewer, live.percentage):
        return live.candidate_number, live.candidate_content
    return live.stable_number, live.stable_content


def digest_of(content: Mapping[str, Any]) -> str:
    """32 hexadecimal digits that name a content, however its keys are ordered."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _surface(content: Mapping[str, Any], surface: str) -> Compiled:
    entry = _compiled.get(id(content))
    if entry is None:  # holding the content keeps its identity from being given to another
        entry = (content, {key: _compile(key, policy) for key, policy in content["surfaces"].items()})
        while len(_compiled) >= KEPT:
            _compiled.pop(next(iter(_compiled)), None)
        _compiled[id(content)] = entry
    try:
        return entry[1][surface]
    except KeyError:
        raise NotFound(
            f"The release has no surface {surface}.", code="unknown_surface", field="surface"
        ) from None


def _compile(surface: str, policy: Mapping[str, Any]) -> Compiled:
    params = {
        (on, random): _params(policy, overridden=on, random_order=random)
        for on, random in product((False, True), repeat=2)
    }
    return Compiled(surface, policy.get("flag"), policy.get("random_share", 0.0), params)


def _params(policy: Mapping[str, Any], *, overridden: bool, random_order: bool) -> PipelineParams:
    values: dict[str, Any] = {**policy, "weights": dict(policy["weights"]), "quotas": dict(policy["quotas"])}
    if overridden and policy.get("flag"):
        for key, value in policy["flag"]["overrides"].items():
            put(values, key, value)
    return PipelineParams(
        lineup=LINEUP_OF[policy["kind"]],
        reciprocity=values.get("reciprocity", "viewer_only"),
        weights=values["weights"],
        quotas=values["quotas"],
        pins=tuple(values.get("pins", ())),
        random_order=random_order,
        **{name: values[name] for name in PLAIN if name in values},
    )
