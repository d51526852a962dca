"""Which of staff's rules are live for one viewer: masks of the world, words of whom the snapshot lacks.

Takes a world, a surface and a viewer; gives the words of conditions they meet and the pipeline's LiveRules.
It asks no store.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from apps.delivery.world import World
from apps.pipeline.masks import condition_words
from apps.pipeline.rules import U64, LiveRules, RuleMasks, SurfaceRules, live_rules
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import Table

MOST_KEPT = 64
NO_WORDS: U64 = np.zeros(0, "u8")


class OverlayWords:
    """Words of the overlay's tables: evaluated once per table, for a table is replaced when it changes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], tuple[Table, U64]] = {}

    def of(self, side: str, surface: str, rules: SurfaceRules, table: Table, snapshot: Snapshot) -> U64:
        """[rows, words]. `side`: candidates or viewers."""
        key = (side, surface, rules.digest)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is table:
            return kept[1]
        conditions = rules.candidate_conditions if side == "candidates" else rules.viewer_conditions
        words = condition_words(conditions, table, snapshot)
        while len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = (table, words)
        return words


def masks_of(world: World, surface: str, rules: SurfaceRules) -> RuleMasks | None:
    """None for a content that is not live: its conditions are evaluated on the rows at hand."""
    return world.masks.get((surface, rules.digest))


def words_of_viewer(world: World, words: OverlayWords, surface: str, rules: SurfaceRules, row: Table) -> U64:
    """[words] the viewer conditions that a viewer, given as a one-row table, meets."""
    assert world.snapshot is not None
    if not rules.viewer_conditions:
        return NO_WORDS
    masks, number = masks_of(world, surface, rules), int(row["number"][0])
    fresh = world.overlay.viewer_at(surface, number)
    if masks is not None and fresh >= 0:
        table = world.overlay.viewers[surface]
        return np.asarray(words.of("viewers", surface, rules, table, world.snapshot)[fresh])
    row_of = world.snapshot.surfaces[surface].viewer_row_of
    at = int(row_of[number]) if 0 <= number < len(row_of) else -1
    if masks is not None and fresh < 0 and at >= 0:
        return np.asarray(masks.viewers[at])
    return np.asarray(condition_words(rules.viewer_conditions, row, world.snapshot)[0])


def rules_for(
    world: World,
    words: OverlayWords,
    surface: str,
    rules: SurfaceRules,
    *,
    met: U64,
    now: float,
    killed: frozenset[str],
    only_caps: bool,
) -> LiveRules | None:
    """The rules that are live for the viewer who meets `met`; None when the surface has none."""
    assert world.snapshot is not None
    if not rules.specs:
        return None
    masks, newcomers = masks_of(world, surface, rules), world.overlay.newcomers.get(surface)
    known = None
    if masks is not None and newcomers is not None and len(newcomers):
        known = words.of("candidates", surface, rules, newcomers, world.snapshot)
    return live_rules(
        rules,
        met=met,
        now=now,
        dead=dead_rules(surface, killed),
        masks=masks,
        newcomers=known,
        only_caps=only_caps,
    )


@lru_cache(maxsize=64)
def dead_rules(surface: str, killed: frozenset[str]) -> frozenset[str]:
    """Of all that staff switched off, the rules of one surface, by id."""
    start = f"rule:{surface}/"
    return frozenset(name.removeprefix(start) for name in killed if name.startswith(start))
