"""Many hashes of one id in one compiled pass: where it stands in each of a release's flags and experiments.

Takes seeds packed once per release; gives places in [0, 1). The scheme is GrowthBook's (FNV-1a); its plain
form, and the oracle of this one, is apps.common.hashing and apps.experiments.assignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seeds:
    """Seeds of hashes, packed: seed i is `data[starts[i]:starts[i + 1]]`; `versions[i]` is 1 or 2."""

    data: U8
    starts: I32
    versions: U8

    def __len__(self) -> int:
        return len(self.versions)


def pack(seeds: Sequence[tuple[str, int]]) -> Seeds:
    """Seeds with the version of the hash that each is for."""
    encoded = [seed.encode("utf-8", "surrogatepass") for seed, _ in seeds]
    starts = np.cumsum([0, *map(len, encoded)]).astype("i4")
    data = np.frombuffer(b"".join(encoded), "u1").copy() if encoded else np.zeros(0, "u1")
    return Seeds(data, starts, np.array([version for _, version in seeds], "u1"))


def places(seeds: Seeds, value: str) -> F64:
    """[seeds] where the id stands: version 1 in steps of 1/1,000, version 2 of 1/10,000."""
    if not len(seeds):
        return np.zeros(0)
    from apps.pipeline.hashing_loop import hash_all

    out = np.empty(len(seeds))
    hash_all(
        seeds.data,
        seeds.starts,
        seeds.versions,
        np.frombuffer(value.encode("utf-8", "surrogatepass"), "u1"),
        out,
    )
    return out
