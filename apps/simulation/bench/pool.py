"""One market of any size as a snapshot for benchmarks: columns drawn at random, without a database.

Takes a size, gives an opened snapshot with the surfaces `dating` and `networking`; written once, then mapped
from its folder. Who seeks whom, ages, ranges, homes and limits are spread as in a city; nothing is learnt.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.graph import empty_graph
from apps.pipeline.layout import in_order
from apps.pipeline.snapshot import Snapshot, SnapshotRefused, open_snapshot, surface_data, write_snapshot
from apps.pipeline.table import DIMENSIONS, Table, table_from_columns
from apps.pipeline.vocabulary import ALL_INTENTS, GENDERS

NOW = 1_780_315_200.0  # 2026-06-01 12:00 UTC
YEAR, DAY, HOUR = 2026, int(NOW // 86400), int(NOW // 3600)
WOMAN, MAN, NONBINARY = GENDERS["woman"], GENDERS["man"], GENDERS["nonbinary"]
CELL = 500  # of 10 m: homes are known to cells of 5 km
SPREAD = 1200.0  # of homes around the centre, in 10 m
LIMITS = (0, 10, 25, 50, 100)  # kilometres; 0: no limit
WORDS = {
    "industries": tuple(f"industry {i}" for i in range(12)),
    "crafts": tuple(f"craft {i}" for i in range(24)),
    "skills": tuple(f"skill {i}" for i in range(40)),
    "interests": tuple(f"interest {i}" for i in range(40)),
}


def pool_of_size(members: int, base: Path, *, vectors: str = "float32", seed: int = 1) -> Snapshot:
    """The snapshot of one market under `base`, built when it is not there or not whole."""
    folder = base / f"pool-{members}-{seed}-{vectors}"
    try:
        return open_snapshot(folder, verify=False)
    except SnapshotRefused:
        shutil.rmtree(folder, ignore_errors=True)
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_snapshot(drawn_snapshot(members, seed=seed), unfinished, vectors=vectors)
    unfinished.rename(folder)
    return open_snapshot(folder, verify=False)


def drawn_snapshot(
    members: int, *, markets: int = 1, seed: int = 1, of: tuple[str, ...] = ("dating", "networking")
) -> Snapshot:
    """The surfaces `of` members who live in so many markets of one size, in memory."""
    table = drawn_members(members, np.random.default_rng(seed))
    table.columns["market"][:] = np.arange(members) * markets // members
    surfaces = {
        key: surface_data(
            key=key,
            kind="member",
            eligibility=key,
            candidates=in_order(table, key),
            viewers=None,
            n_markets=markets,
            models={},
        )
        for key in of
    }
    return Snapshot(
        id=f"pool-{members}-{seed}",
        created_at=NOW,
        markets=tuple(
            {"key": f"bench-{i}", "name": f"Bench {i}", "latitude": 48.86, "longitude": 2.35}
            for i in range(markets)
        ),
        vocabulary=WORDS,
        surfaces=surfaces,
        connections=empty_graph(),
        friends_places=empty_graph(),
        content={},
    )


def drawn_members(n: int, draw: np.random.Generator) -> Table:
    """The members of one market, numbered from 0 by lot, as of NOW."""
    gender = draw.choice([WOMAN, MAN, NONBINARY], n, p=[0.49, 0.49, 0.02]).astype("u1")
    born = YEAR - np.clip(np.round(18 + draw.gamma(3.0, 5.5, n)), 19, 80).astype("i4")
    age = YEAR - born
    width = draw.integers(3, 16, n)
    return table_from_columns(
        "member",
        {
            "number": draw.permutation(n),
            "gender": gender,
            "seeking": _seeking(gender, draw),
            "birth_date": born * 10000 + draw.integers(1, 13, n) * 100 + draw.integers(1, 29, n),
            "age_min": np.maximum(age - width, 18),
            "age_max": np.minimum(age + width, 120),
            "intents": _intents(n, draw),
            "x": _homes(n, draw),
            "y": _homes(n, draw),
            "max_distance": draw.choice(LIMITS, n, p=[0.2, 0.1, 0.3, 0.3, 0.1]),
            "joined_day": DAY - draw.integers(0, 1500, n),
            "active_hour": HOUR - draw.exponential(200.0, n).astype("i4"),
            "selectivity": draw.normal(0.0, 0.7, n),
            "appeal": draw.normal(0.0, 0.7, n),
            "popularity": draw.poisson(5, n),
            "price": draw.random(n, "f4") * np.float32(0.05),
            "taste": draw.standard_normal((n, DIMENSIONS), "f4") * np.float32(0.4),
            "looks": draw.standard_normal((n, DIMENSIONS), "f4") * np.float32(0.4),
            **{name: _words(n, len(words), draw) for name, words in WORDS.items()},
        },
        n,
    )


def _seeking(gender: npt.NDArray[np.uint8], draw: np.random.Generator) -> npt.NDArray[Any]:
    """Nine in ten seek the other gender, the rest their own, both or all."""
    other = np.where(gender == WOMAN, MAN, WOMAN)
    kind = draw.choice(4, len(gender), p=[0.88, 0.06, 0.04, 0.02])
    return np.choose(kind, [other, gender, other | gender, WOMAN | MAN | NONBINARY])


def _intents(n: int, draw: np.random.Generator) -> npt.NDArray[Any]:
    """Half name none and are open to all; the others some of dating, most also some of work."""
    dating = draw.choice([1, 2, 3, 4, 7, 9, 15], n, p=[0.4, 0.1, 0.15, 0.05, 0.1, 0.1, 0.1])
    work = draw.choice([0, 1, 3, 7, 31], n, p=[0.2, 0.2, 0.2, 0.2, 0.2]) << 4
    return np.where(draw.random(n) < 0.5, ALL_INTENTS, dating | work)


def _homes(n: int, draw: np.random.Generator) -> npt.NDArray[Any]:
    return np.clip(np.round(draw.normal(0.0, SPREAD, n) / CELL), -20, 20) * CELL


def _words(n: int, known: int, draw: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Up to three words each."""
    bits = np.zeros(n, "u8")
    for _ in range(3):
        bits |= np.uint64(1) << draw.integers(0, known, n).astype("u8")
    return bits
