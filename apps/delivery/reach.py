"""How many lists a draft can touch: viewers by surface, on the snapshot that serves. An upper bound.

Takes two contents, gives counts; with the draft itself, also keeps them (apps.releases refuses to publish
without). A knob touches everybody on its surface, or in its market; a rule whoever meets its viewers'
condition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.delivery.audiences import empty_audiences
from apps.pipeline.conditions import EVERYBODY, evaluate
from apps.pipeline.snapshot import Snapshot
from apps.policies.difference import difference
from apps.policies.segments import with_segments_put_in
from apps.releases.models import Reach, Release, Revision

Mask = npt.NDArray[np.bool_]
Content = Mapping[str, Any]
WHOLE_LISTS = ("rules.", "markets.")
DEVIATIONS = 4  # that a lot among a share of the viewers may deal in beyond that share: once in 30,000 more
Audience = tuple[Mapping[str, Any], float, Sequence[int]]  # condition, share of whom meets it, and by number


def measure_reach(revision: Revision) -> Reach:
    """Measures and keeps the reach of a draft's content against what is live."""
    from apps.delivery.runtime import runtime
    from apps.releases.params import digest_of
    from apps.releases.selectors import live_release
    from apps.releases.services import record_reach

    live = live_release()
    snapshot = runtime().world.snapshot
    by_surface = reach(snapshot, live.content, revision.content)
    return record_reach(
        revision,
        digest=digest_of(revision.content),
        based_on=live.number,
        viewers=sum(touched for touched, _ in by_surface.values()),
        of=sum(of for _, of in by_surface.values()),
        by_surface={surface: list(counts) for surface, counts in by_surface.items()},
        empty=empty_audiences(snapshot, revision.content),
    )


def ready_to_serve(revision: Revision) -> None:
    """What a publish needs: a fresh reach, and the rules' masks, so that web processes find them."""
    from apps.refresh.masks import ensure_masks_of_active
    from apps.releases.approvals import fresh_reach
    from apps.releases.selectors import live_release

    if fresh_reach(revision, live_release()) is None:
        measure_reach(revision)
    ensure_masks_of_active(revision.content)


def ready_to_return(release: Release) -> None:
    """What a release that comes back needs: the rules' masks."""
    from apps.refresh.masks import ensure_masks_of_active

    ensure_masks_of_active(release.content)


def reach(snapshot: Snapshot | None, before: Content, after: Content) -> dict[str, tuple[int, int]]:
    """By surface: viewers whose lists can differ, of how many. Empty without a snapshot."""
    if snapshot is None:
        return {}
    surfaces = sorted({*before["surfaces"], *after["surfaces"]} & set(snapshot.surfaces))
    return {surface: _on_surface(snapshot, surface, before, after) for surface in surfaces}


def _on_surface(snapshot: Snapshot, surface: str, before: Content, after: Content) -> tuple[int, int]:
    viewers = snapshot.surfaces[surface].viewers
    touched = np.zeros(len(viewers), "?")
    dealt = variance = 0.0
    if _knobs_differ(surface, before, after):
        return len(viewers), len(viewers)
    for market in _markets_that_differ(surface, before, after):
        touched |= viewers["market"] == snapshot.market_index(market)
    for tree, share, allowed in _audiences_that_differ(surface, before, after):
        mask = evaluate(tree, viewers, snapshot)
        if share < 1:  # who is dealt in isn't looked up: count them besides
            dealt += share * float(mask.sum())
            variance += share * (1 - share) * float(mask.sum())
        else:
            touched |= mask
        touched |= np.isin(viewers["number"], allowed)
    most = touched.sum() + dealt + DEVIATIONS * variance**0.5
    return min(int(np.ceil(most)), len(viewers)), len(viewers)


def _knobs_differ(surface: str, before: Content, after: Content) -> bool:
    return any(
        line.surface == surface and not line.key.startswith(WHOLE_LISTS) for line in difference(before, after)
    )


def _markets_that_differ(surface: str, before: Content, after: Content) -> Iterator[str]:
    for line in difference(before, after):
        if line.surface == surface and line.key.startswith("markets."):
            yield line.key.split(".")[1]


def _audiences_that_differ(surface: str, before: Content, after: Content) -> Iterator[Audience]:
    """The viewers of everything that is on one side alone, segments put in place."""
    old, new = _audiences(surface, before), _audiences(surface, after)
    for said in old.keys() ^ new.keys():
        yield (old | new)[said]


def _audiences(surface: str, content: Content) -> dict[str, Audience]:
    content = with_segments_put_in(content)
    found: dict[str, Audience] = {}
    for rule in content["surfaces"].get(surface, {}).get("rules", []):
        found[json.dumps(rule, sort_keys=True)] = (rule["viewers"] or EVERYBODY, 1.0, ())
    for flag in content.get("flags", []):
        if flag["surface"] == surface and flag["overrides"]:
            inside = {"any": flag["segments"]} if flag["segments"] else EVERYBODY
            found[json.dumps(flag, sort_keys=True)] = (inside, flag["percentage"] / 100, flag["allow"])
    for one in content.get("experiments", []):
        if one["surface"] == surface and any(variant["overrides"] for variant in one["variants"]):
            width = one["layer_range"][1] - one["layer_range"][0]
            share = one["coverage"] * width
            found[json.dumps(one, sort_keys=True)] = (one["audience"] or EVERYBODY, share, ())
    return found
