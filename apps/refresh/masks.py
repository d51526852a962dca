"""The masks of a content's rules, for all its surfaces, beside a snapshot and before either is served.

Takes a snapshot and a content; gives RuleMasks by surface and digest. Whoever activates a snapshot or
publishes a content calls `ensure_masks` first; a serving process does so itself when nobody did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from apps.pipeline import masks as files
from apps.pipeline.rules import RuleMasks, SurfaceRules
from apps.pipeline.snapshot import Snapshot, SnapshotRefused
from apps.refresh import store
from apps.refresh.selectors import active_snapshot_id
from apps.releases.params import compiled
from apps.releases.selectors import LiveRow

WORTH_FETCHING = 2_000_000  # rows times conditions; fewer are evaluated here, in tens of milliseconds

Masks = Mapping[tuple[str, str], RuleMasks]  # by surface and digest of its conditions


def ensure_masks(snapshot: Snapshot, *contents: Mapping[str, Any]) -> Masks:
    """Opens what is there, fetches what is worth it, builds and writes the rest."""
    if work_of(snapshot, *contents) > WORTH_FETCHING:
        for folder in _folders(snapshot, contents):
            store.fetch_masks(folder)
    return {
        (surface, rules.digest): files.ensure_masks(snapshot, surface, rules)
        for surface, rules in _rules_of(snapshot, contents)
    }


def find_masks(snapshot: Snapshot, *contents: Mapping[str, Any]) -> Masks | None:
    """All masks without evaluating anything; None when some would have to be built."""
    found = {}
    for surface, rules in _rules_of(snapshot, contents):
        has_conditions = rules.viewer_conditions or rules.candidate_conditions
        masks = (files.find_masks if has_conditions else files.build_masks)(snapshot, surface, rules)
        if masks is None:
            return None
        found[surface, rules.digest] = masks
    return found


def work_of(snapshot: Snapshot, *contents: Mapping[str, Any]) -> int:
    """How many rows times conditions a build of everything would evaluate."""
    total = 0
    for surface, rules in _rules_of(snapshot, contents):
        data = snapshot.surfaces[surface]
        total += len(data.candidates) * len(rules.candidate_conditions)
        total += len(data.viewers) * len(rules.viewer_conditions)
    return total


def ensure_masks_of_active(content: Mapping[str, Any]) -> None:
    """For a content that is about to go live on the active snapshot. Without a snapshot there is no work."""
    active = active_snapshot_id()
    if active is None:
        return
    try:
        snapshot = store.open_here(active, verify=False)
    except SnapshotRefused:
        return  # whoever serves from it evaluates the conditions
    share_masks(snapshot, content)


def share_masks(snapshot: Snapshot, *contents: Mapping[str, Any]) -> None:
    """Makes sure of them here, before anybody serves them, and for other machines."""
    ensure_masks(snapshot, *contents)
    if work_of(snapshot, *contents) > WORTH_FETCHING:
        for folder in _folders(snapshot, contents):
            store.publish_masks(folder)


def contents_of(live: LiveRow) -> list[Mapping[str, Any]]:
    """What is live: the stable content, and the candidate's."""
    return [live.stable_content, *([live.candidate_content] if live.candidate_content is not None else [])]


def remove_old_masks(snapshot: Snapshot, masks: Masks) -> None:
    """Removes files that neither stand in `masks` nor are among the latest."""
    files.remove_old_masks(snapshot, used=[digest for _, digest in masks])


def _folders(snapshot: Snapshot, contents: Iterable[Mapping[str, Any]]) -> Iterable[Path]:
    for surface, rules in _rules_of(snapshot, contents):
        folder = files.folder_of(snapshot, surface, rules)
        if folder is not None:
            yield folder


def _rules_of(
    snapshot: Snapshot, contents: Iterable[Mapping[str, Any]]
) -> Iterable[tuple[str, SurfaceRules]]:
    for content in contents:
        for key, surface in compiled(content).surfaces.items():
            if key in snapshot.surfaces:
                yield key, surface.rules
