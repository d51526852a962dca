"""Whether anybody gets something of a knob under a content: what nobody gets needs no preparation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.policies.schema import get


def is_used(content: Mapping[str, Any], surface: str, *knobs: str) -> bool:
    """Whether one of these number knobs is above 0 for anybody: by the policy itself, in a market, by a flag
    or in an experiment."""
    policy = content["surfaces"][surface]
    overrides = [*policy["markets"].values()]
    overrides += [flag["overrides"] for flag in content["flags"] if flag["surface"] == surface]
    for experiment in content["experiments"]:
        if experiment["surface"] == surface:
            overrides += [variant["overrides"] for variant in experiment["variants"]]
    return any(
        (get(policy, knob) or 0) > 0 or any(said.get(knob, 0) > 0 for said in overrides) for knob in knobs
    )
