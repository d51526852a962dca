"""What can be said of pairs of rows, column by column: ages, distances, shared bits, who is at home where.

Both tables broadcast: one row against n, or n against n. Nothing here knows a surface or a weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32
from apps.pipeline.features.finite import finite
from apps.pipeline.passes import Passes
from apps.pipeline.snapshot import SurfaceData
from apps.pipeline.table import Table

pairs_loop = Passes("features.pairs_loop")

LIKE_MODEL: Mapping[str, Mapping[str, Any]] = {
    # Of a snapshot without learnt numbers: ranks by what is there, at a like rate of about one in four.
    "member": {"intercept": -1.0, "weights": {"affinity": 1.0, "selectivity": 1.0, "appeal": 1.0}},
    "place": {"intercept": -1.0, "weights": {"affinity": 1.0, "popularity": 0.5}},
}

# Where in a market's plane (10 m units) those stand who travel there. 14 m off its centre: next to never is
# that the centre of a home cell, so whoever stands here is known as a visitor.
MIDDLE = (1, 1)

UNKNOWN_DISTANCE = 10.0  # km, where two have no common plane
# columns, in the order of the pass
PROFILE = ("birth_date", "market", "x", "y", "interests", "skills", "industries", "crafts")
NO_PARTNERS: npt.NDArray[np.uint64] = np.zeros((8, 256), "u8")


def like_model(data: SurfaceData) -> Mapping[str, Any]:
    """The surface's learnt model of a like, or a plain one that still ranks."""
    model: Mapping[str, Any] = data.models.get("like") or LIKE_MODEL[data.kind]
    return model


def dots(a: F32, b: F32) -> F32:
    """Row by row inner product [n] of [n, d] or [1, d] with [n, d]."""
    product: F32 = np.einsum("ij,ij->i", a, b)
    return product


def age_gap(source: Table, target: Table) -> F32:
    """Years by which the target is older; 0 where a birth date is unknown."""
    gap = np.empty(pairs_in(source, target), "f4")
    pairs_loop.age_gap(source["birth_date"], target["birth_date"], gap)
    return gap


def pairs_in(source: Table, target: Table) -> int:
    """How many pairs two tables make. ValueError unless they broadcast: a compiled loop would read beyond."""
    n, m = len(source), len(target)
    if n != m and 1 not in (n, m):
        raise ValueError(f"{n} rows against {m}")
    return max(n, m) if n and m else 0


def is_visiting(members: Table) -> npt.NDArray[np.bool_]:
    """[n] who stands in the middle of a market for want of a home in it."""
    return np.asarray((members["x"] == MIDDLE[0]) & (members["y"] == MIDDLE[1]))


def kilometres(source: Table, target: Table) -> F32:
    """Distance in the plane of a market both are in; NaN for two who have no common plane.

    Whoever travels counts as in the middle of the market.
    """
    distance = np.empty(pairs_in(source, target), "f4")
    (here, x, y), (there, other_x, other_y) = (
        (table["market"], table["x"], table["y"]) for table in (source, target)
    )
    pairs_loop.kilometres(here, x, y, there, other_x, other_y, distance)
    return distance


def distance_log(kilometres: F32) -> F32:
    """log1p of distances; of a usual one where there is none."""
    return np.log1p(finite(kilometres, UNKNOWN_DISTANCE))


def shared(source: Table, target: Table, column: str) -> F32:
    """How many bits of a mask both have."""
    count: F32 = np.bitwise_count(source[column] & target[column]).astype("f4")
    return count


def partners_of(crafts: npt.NDArray[np.uint64], partners: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """[n] sets of crafts to the sets of crafts that complement them. `partners`: vocabulary.partner_masks."""
    table = partners_table(partners)
    octets = np.ascontiguousarray(crafts, "<u8").view("u1").reshape(-1, 8)
    result = np.zeros(len(octets), "u8")
    for place in range(8):
        result |= table[place][octets[:, place]]
    return result


def partners_table(partners: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """[8, 256]: what complements the crafts in one byte of a set, so that a set is eight look-ups."""
    return _partners_by_byte(np.ascontiguousarray(partners, "<u8").tobytes())


@lru_cache(maxsize=8)
def _partners_by_byte(packed: bytes) -> npt.NDArray[np.uint64]:
    partners = np.frombuffer(packed, "<u8")
    bits = np.arange(256)[:, None] >> np.arange(8) & 1 == 1  # [256, 8]
    by_place = partners.reshape(-1, 8)[:, None, :]  # 8 bytes of 8 crafts
    table: npt.NDArray[np.uint64] = np.bitwise_or.reduce(np.where(bits, by_place, np.uint64(0)), axis=2)
    return table


def complementary(source: Table, target: Table, partners: npt.NDArray[np.uint64]) -> F32:
    """How many of the target's crafts complement one of the source's."""
    table = partners_table(partners)
    met = np.empty(pairs_in(source, target), "u8")
    pairs_loop.complementary(source["crafts"], target["crafts"], table, met)
    count: F32 = np.bitwise_count(met).astype("f4")
    return count


def profiles(
    source: Table, target: Table, partners: npt.NDArray[np.uint64] | None
) -> dict[str, tuple[F32, F32]]:
    """What two profiles say of each pair, by the names of BETWEEN, in both roles: the same bits, at once."""
    table = NO_PARTNERS if partners is None else partners_table(partners)
    told = np.empty((8, pairs_in(source, target)), "f4")
    columns = [table_[name] for table_ in (source, target) for name in PROFILE]
    pairs_loop.profiles(*columns, table, told)
    gap, squared, kilometres, interests, skills, industry, crafts, crafts_back = told
    distance = distance_log(kilometres)
    return {
        "age_gap": (gap, -gap),
        "age_gap_squared": (squared, squared),
        "distance_log": (distance, distance),
        "shared_interests": (interests, interests),
        "shared_skills": (skills, skills),
        "same_industry": (industry, industry),
        "complementary_crafts": (crafts, crafts_back),
    }


def look_up(numbers: npt.NDArray[np.int32], keys: npt.NDArray[np.int32], values: F32) -> F32:
    """`values` by sorted `keys` for each of `numbers`; 0 for a number that has none."""
    if len(keys) == 0:
        return np.zeros(len(numbers), "f4")
    found = np.empty(len(numbers), "f4")
    pairs_loop.look_up(numbers, keys, values, found)
    return found
