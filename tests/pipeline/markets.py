"""Markets by hand: a few members or places as snapshots in memory, and requests to them.

`people(ann={...}, bob={...})` makes a surface of members whose names are numbered 1, 2, 3 ... in the order
given; `places(...)` one of places. Every member is by default a woman or man of 30 who looks for everybody,
open to all intents, at the market's centre: say only what matters to the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.pipeline.contracts import Request, Viewer
from apps.pipeline.graph import Graph, empty_graph
from apps.pipeline.params import PipelineParams
from apps.pipeline.signals import Signals
from apps.pipeline.snapshot import Snapshot, surface_data
from apps.pipeline.table import DIMENSIONS, Table, table_from_columns
from apps.pipeline.vocabulary import ALL_INTENTS, GENDERS

NOW = 1_780_315_200.0  # 2026-06-01 12:00 UTC
TODAY = 20260601
DAY = int(NOW // 86400)
HOUR = int(NOW // 3600)
WOMAN, MAN, NONBINARY = GENDERS["woman"], GENDERS["man"], GENDERS["nonbinary"]
EVERYBODY = WOMAN | MAN | NONBINARY
VOCABULARY: Mapping[str, tuple[str, ...]] = {
    "industries": ("film", "music", "fashion"),
    "crafts": ("acting", "directing", "singing", "music production"),
    "skills": ("french", "piano"),
    "interests": ("climbing", "chess", "wine"),
    "categories": ("bar", "museum"),
    "tags": ("rooftop", "quiet"),
}
MARKETS = ({"key": "paris", "name": "Paris"}, {"key": "rome", "name": "Rome"})
ADULT_AT_HOME = {
    "gender": WOMAN,
    "seeking": EVERYBODY,
    "birth_date": 19960101,  # 30 years old
    "age_min": 18,
    "age_max": 99,
    "intents": ALL_INTENTS,
    "joined_day": DAY - 365,
}


def vector(*values: float) -> list[float]:
    """An embedding that starts with these values and ends in zeros."""
    return [*values, *([0.0] * (DIMENSIONS - len(values)))]


def member_table(members: Sequence[Mapping[str, Any]], *, first_number: int = 1) -> Table:
    """Members as a table, in the order given, numbered from `first_number` unless they say."""
    rows = [{**ADULT_AT_HOME, "number": first_number + i, **m} for i, m in enumerate(members)]
    return table_of("member", rows)


def place_table(places: Sequence[Mapping[str, Any]], *, first_number: int = 1) -> Table:
    """Places as a table: open, in the first market."""
    rows = [{"is_open": 1, "number": first_number + i, **place} for i, place in enumerate(places)]
    return table_of("place", rows)


def table_of(kind: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of columns by name as a table; a column that a row does not name is zero."""
    names = {name for row in rows for name in row}
    columns = {}
    for name in names:
        zero = [0.0] * DIMENSIONS if name in ("taste", "looks") else 0
        columns[name] = np.array([row.get(name, zero) for row in rows])
    return table_from_columns(kind, columns, len(rows))


def sorted_by_market(table: Table) -> Table:
    """As a snapshot holds it."""
    keys = [table["number"], table["market"]]
    if table.kind == "member":
        keys = [table["number"], table["seeking"], table["gender"], table["market"]]
    return table.gather(np.lexsort(keys))


def graph_of(edges: Sequence[tuple[int, int]], *, symmetric: bool = True) -> Graph:
    """A graph from pairs of numbers; an edge named twice weighs 2."""
    pairs = [*edges, *((b, a) for a, b in edges)] if symmetric else list(edges)
    if not pairs:
        return empty_graph()
    found, counts = np.unique(np.array(pairs, "i4"), axis=0, return_counts=True)
    numbers, starts = np.unique(found[:, 0], return_index=True)
    offsets = np.append(starts, len(found)).astype("i8")
    return Graph(numbers, offsets, found[:, 1].copy(), counts.astype("f4"))


def snapshot_of(
    table: Table,
    *,
    surface: str = "dating",
    eligibility: str | None = None,
    viewers: Table | None = None,
    edges: Sequence[tuple[int, int]] = (),
    saves: Sequence[tuple[int, int]] = (),
    near: Sequence[tuple[int, int]] = (),
    alike: Sequence[tuple[int, int]] = (),
    models: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
    content: Mapping[str, Any] | None = None,
) -> Snapshot:
    """A snapshot of one surface in memory. `saves`: (member, place) once per connection who saved it.

    `near`: (member, member) whom a walk reaches, `alike`: (member, place) that goes along with theirs; each
    once per NEAREST-th of a weight.
    """
    data = surface_data(
        key=surface,
        kind=table.kind,
        eligibility=eligibility or surface,
        candidates=sorted_by_market(table),
        viewers=viewers,
        n_markets=len(MARKETS),
        models=models or {},
        arrays=arrays,
    )
    return Snapshot(
        id="by-hand",
        created_at=NOW,
        markets=MARKETS,
        vocabulary=VOCABULARY,
        surfaces={surface: data},
        connections=graph_of(edges),
        friends_places=graph_of(saves, symmetric=False),
        alike=graph_of(alike, symmetric=False),
        content=content or {},
        pagerank={surface: graph_of(near, symmetric=False)} if near else {},
    )


def people(*, surface: str = "dating", **named: Mapping[str, Any]) -> tuple[Snapshot, dict[str, int]]:
    """A snapshot of members, and the number of each by name."""
    numbers = {name: i + 1 for i, name in enumerate(named)}
    return snapshot_of(member_table(list(named.values())), surface=surface), numbers


def request_for(
    snapshot: Snapshot,
    viewer: int | Table,
    *,
    surface: str | None = None,
    params: PipelineParams | None = None,
    excluded: Sequence[int] = (),
    liked_by: Sequence[int] = (),
    gone: Sequence[int] = (),
    only: Sequence[int] | None = None,
    limit: int = 10,
    signals: Signals | None = None,
    **more: Any,
) -> Request:
    """A request of a member by number (or as a table) to a snapshot's only surface."""
    key = surface or next(iter(snapshot.surfaces))
    data = snapshot.surfaces[key]
    row = viewer if isinstance(viewer, Table) else data.viewers.gather(data.viewer_row_of[[viewer]])
    lineup = "people" if data.kind == "member" else "places"
    return Request(
        snapshot=snapshot,
        surface=key,
        params=params or PipelineParams(lineup=lineup),
        viewer=Viewer(row, np.array(sorted(excluded), "i4"), np.array(liked_by, "i4"), signals or Signals()),
        limit=limit,
        now=more.pop("now", NOW),
        seed=more.pop("seed", 7),
        gone=np.array(sorted(gone), "i4"),
        only=None if only is None else np.array(only, "i4"),
        **more,
    )


def random_members(n: int, seed: int, **columns: Any) -> Table:
    """Members at random, many at the edges of the rules: for oracles and for timing."""
    random = np.random.default_rng(seed)
    values = {
        "number": random.permutation(n) + 1,
        "market": random.integers(-1, 2, n),
        "gender": random.choice([0, WOMAN, MAN, NONBINARY], n, p=[0.05, 0.45, 0.45, 0.05]),
        "seeking": random.integers(0, 8, n),
        "birth_date": random.choice([0, 20080601, 20080602, 19960601, 19960602, 19860531, 19500101], n),
        "age_min": random.choice([0, 18, 29, 30, 40], n),
        "age_max": random.choice([30, 39, 40, 120], n),
        "intents": random.choice([ALL_INTENTS, 1, 1 << 4, 0, 3, 0b10010], n),
        "x": random.choice([0, 0, 500, 1000, -32768, 32767], n),
        "y": random.choice([0, 0, 0, -1000, 32767], n),
        "max_distance": random.choice([0, 5, 10, 14, 15, 65535], n),
        "industries": random.integers(0, 8, n),
        "crafts": random.integers(0, 16, n),
        "skills": random.integers(0, 4, n),
        "interests": random.integers(0, 8, n),
        "joined_day": DAY - random.integers(0, 60, n),
        "active_hour": HOUR - random.integers(0, 1000, n),
        "selectivity": random.normal(0, 1, n),
        "appeal": random.normal(0, 1, n),
        "popularity": random.poisson(5, n),
        "price": random.random(n) * 0.1,
        "taste": random.normal(0, 0.4, (n, DIMENSIONS)),
        "looks": random.normal(0, 0.4, (n, DIMENSIONS)),
    }
    return table_from_columns("member", {**values, **columns}, n)


def random_places(n: int, seed: int, **columns: Any) -> Table:
    """Places at random."""
    random = np.random.default_rng(seed)
    values = {
        "number": random.permutation(n) + 1,
        "market": random.integers(-1, 2, n),
        "x": random.integers(-2000, 2000, n),
        "y": random.integers(-2000, 2000, n),
        "category": random.integers(0, 3, n),
        "tags": random.integers(0, 4, n),
        "price_band": random.integers(0, 5, n),
        "is_open": random.random(n) < 0.8,
        "opens_on": random.choice([0, 0, 20260531, 20260601, 20260602, 20260715], n),
        "open_months": random.choice([0, 0, 0, 1 << 6, 1 << 7, 1 << 1 | 1 << 12], n),
        "best_months": random.choice([0, 1 << 6, 1 << 7], n),
        "popularity": random.random(n) * 5,
        "curated": random.choice([0.0, 0.0, 1.0, 0.5], n),
        "looks": random.normal(0, 0.4, (n, DIMENSIONS)),
    }
    return table_from_columns("place", {**values, **columns}, n)
