"""Which variant somebody gets: a pure function of salts and ids, so that the app can compute it too.

The scheme is GrowthBook's: version 2 of its hash for variants, its namespaces (version 1) for layers that
exclude each other. Takes text and numbers, draws nothing at random, keeps no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.common.hashing import bucket, fnv1a_32

NAMESPACE_BUCKETS = 1000
Range = tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """The part of a layer that an experiment has. Members fall into one place of each layer."""

    name: str
    start: float
    end: float

    def holds(self, value: str) -> bool:
        return self.start <= layer_place(self.name, value) < self.end


def layer_place(name: str, value: str) -> float:
    """Where an id stands in a layer, in [0, 1), in steps of 1/1000 (GrowthBook's namespaces)."""
    return first_version(layer_seed(name), value)


def first_version(seed: str, value: str) -> float:
    """Version 1 of the hash, which layers use: 1,000 steps."""
    return fnv1a_32(value + seed) % NAMESPACE_BUCKETS / NAMESPACE_BUCKETS


def layer_seed(name: str) -> str:
    return f"__{name}"


def bucket_ranges(weights: Sequence[float], coverage: float = 1.0) -> list[Range]:
    """The part of [0, 1) that each variant takes; less than its weight when not everybody is covered.

    Raises ValueError unless the weights add up to 1 and coverage is within 0 and 1.
    """
    if abs(sum(weights) - 1) > 1e-3 or not 0 <= coverage <= 1:
        raise ValueError("The weights must add up to 1, and coverage lie within 0 and 1.")
    ranges, start = [], 0.0
    for weight in weights:
        ranges.append((start, start + coverage * weight))
        start += weight
    return ranges


def choose_variation(place: float, ranges: Sequence[Range]) -> int:
    """Index of the range that holds the place; -1 when none does."""
    return next((i for i, (start, end) in enumerate(ranges) if start <= place < end), -1)


def variation(value: str, *, seed: str, ranges: Sequence[Range], layer: Layer | None = None) -> int:
    """Index of the variant of an id (a member's, or a market's key); -1: not in the experiment."""
    if layer is not None and not layer.holds(value):
        return -1
    return choose_variation(bucket(seed, value), ranges)
