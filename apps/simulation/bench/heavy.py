"""A heavy ranker for a market in which nobody likes anybody for a reason: learnt, and kept all the same.

A refresh keeps trees only where they prove better, and here nothing can. What trees cost doesn't depend on
what they say: these are fitted by the project's own code on the market's own decisions, and put into its
snapshots as a refresh would put them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from apps.common import clock
from apps.learning.as_of import Past
from apps.learning.decisions import decisions_of
from apps.learning.heavy_model import MOST, HeavyModel, boosted, matrix_of, stored
from apps.pipeline.features.chances import like_probability
from apps.pipeline.features.pairs import like_model
from apps.pipeline.ranking.heavy import with_interactions
from apps.pipeline.snapshot import (
    MANIFEST,
    SurfaceData,
    checksum_of,
    manifest_text,
    open_snapshot,
    read_manifest,
)
from apps.pipeline.vocabulary import partner_masks
from apps.refresh.build import rows_of
from apps.refresh.reading import decisions_on
from apps.refresh.selectors import snapshot_folder


def ensure_heavy(snapshot_ids: Sequence[str], surface: str, say: Callable[[str], object]) -> None:
    """Trees in each of these snapshots of a surface of members; the same in all that lack them."""
    folders = [snapshot_folder(one) for one in snapshot_ids]
    opened = [open_snapshot(folder, verify=False) for folder in folders]
    lacking = [i for i, one in enumerate(opened) if "heavy" not in one.surfaces[surface].models]
    if not lacking:
        return
    say("Learning a heavy ranker (once)")
    first = opened[lacking[0]]
    partners = partner_masks(first.vocabulary["crafts"])
    model = _learnt(first.surfaces[surface], partners)
    for i in lacking:
        _put(folders[i], surface, model)


def _learnt(data: SurfaceData, partners: np.ndarray) -> HeavyModel:
    """Of all decisions on the surface, at most as many as a refresh would take."""
    found = decisions_on(data.key, "member", clock.now())
    source, target = (
        rows_of(np.asarray(data.candidates["number"]), found[name]) for name in ("actor", "target")
    )
    here = np.flatnonzero((source >= 0) & (target >= 0))
    here = np.sort(np.random.default_rng(0).permutation(here)[:MOST])
    decisions = decisions_of(source[here], target[here], found["liked"][here] != 0, found["at"][here])
    forward, backward = Past.of(data.candidates, data.candidates, partners).features(decisions)
    assert backward is not None
    asked = with_interactions(forward, backward["affinity"], like_probability(forward, like_model(data)))
    return stored(boosted(matrix_of(asked), decisions.liked), list(asked))


def _put(folder: Path, surface: str, heavy: HeavyModel) -> None:
    manifest = read_manifest(folder)
    manifest["surfaces"][surface]["models"]["heavy"] = dict(heavy.model)
    for name, array in heavy.arrays.items():
        path = folder / f"{surface}.models.{name}.npy"
        np.save(path, np.ascontiguousarray(array))
        manifest["checksums"][path.stem] = checksum_of(path)
    (folder / MANIFEST).write_text(manifest_text(manifest))
