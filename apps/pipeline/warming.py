"""What a first request would wait for: every compiled pass, and the pages of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import numpy as np

from apps.pipeline.contracts import Request, Viewer
from apps.pipeline.features.registry import FEATURES
from apps.pipeline.params import PipelineParams
from apps.pipeline.rules import RuleSpec, SurfaceRules, live_rules
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import Table, table_from_columns

PASSES = (  # the files of compiled passes
    "deal_loop", "graph_loop", "rules_loop", "features.chances_loop", "features.pairs_loop",
    "features.recent_loop", "features.taste_loop", "filters.predicates", "ranking.blend", "ranking.multiply",
    "ranking.walk", "reranking.arrange", "reranking.exchange", "reranking.greedy", "reranking.telling",
    "retrieval.look_up", "retrieval.room_loop", "retrieval.scan",
)  # fmt: skip
NOBODY = 2**31 - 1  # a number that no member or place has
EVERY_KIND = SurfaceRules(
    tuple(
        RuleSpec(kind, kind, -1, -1, 0.0, 1.0, 1, factor=2.0, slots=(1,), share=0.1, pins=(0,), daily=1)
        for kind in ("boost", "bury", "pin", "cap")
    )
)


def load_passes() -> None:
    """Compiles every pass, or reads it from the cache: a request asks for some only when there is somebody to
    show, or to exchange."""
    for name in PASSES:
        import_module(f"apps.pipeline.{name}")


def warm_requests(snapshot: Snapshot) -> Iterator[Request]:
    """One request per surface: by the first viewer with a market, who has excluded, gone and newcomers to
    look at."""
    for key, data in snapshot.surfaces.items():
        lineup = "people" if data.kind == "member" else "places"
        weights = dict.fromkeys(FEATURES[data.kind], 0.01)
        params = PipelineParams(lineup=lineup, diversity=0.5, exploration=0.5, weights=weights, heavy_width=1)
        at_home = np.flatnonzero(data.viewers["market"] >= 0)[:1]
        row = data.viewers.gather(at_home) if len(at_home) else _stranger()
        yield Request(
            snapshot=snapshot,
            surface=key,
            params=params,
            viewer=Viewer(row, excluded=np.array([0], "i4"), liked_by=np.array([0], "i4")),
            limit=20,
            now=snapshot.created_at,
            seed=0,
            market=int(row["market"][0]),
            rules=live_rules(EVERY_KIND, met=np.zeros(0, "u8"), now=0.5),
            newcomers=table_from_columns(data.kind, {"number": [NOBODY], "market": row["market"]}, 1),
        )


def _stranger() -> Table:
    return table_from_columns("member", {"market": -1}, 1)
