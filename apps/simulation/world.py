"""What a simulated market is made of: sizes, skews and habits, as one frozen value.

The defaults stand since before the first evaluation and stay: a list is never made better by an easier world.
Two equal worlds give the same market, bit for bit. Nothing here knows Django.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.special import ndtri

SURFACES = ("dating", "networking", "travel")


@dataclass(frozen=True)
class World:
    """Weights are log-odds. `anchor`: seconds since 1970-01-01 UTC at which the history ends."""

    members: int = 20_000
    places: int = 2_000
    days: int = 30
    seed: int = 7
    anchor: int = 1_767_225_600
    geonames: bool = False  # whether towns came from the real list; the bundled cities know no towns

    city_shares: tuple[float, ...] = (0.72, 0.16, 0.12)  # one big market, two small ones
    joined_during: float = 0.15  # share of members who join within the days
    trips: float = 0.08  # share of members with a trip to another market

    skew: float = 0.6  # Gini of attractiveness: 0 uniform, 0.81 the most skewed real site we know
    networking_skew: float = 0.45
    place_skew: float = 0.5
    dimensions: int = 6  # of latent taste
    taste_from_profile: float = 0.45  # share of the variance of taste and looks that the profile tells
    appeal_from_profile: float = 0.10
    dating_taste: float = 1.2  # standard deviation of how well somebody fits a taste
    networking_taste: float = 0.9
    travel_taste: float = 1.3
    selectivity: float = 0.8  # standard deviation between members of the same gender
    chemistry: float = 0.5  # standard deviation of what only these two know; nothing can learn it
    community: float = 0.4  # added within one community of the graph
    shared_interest: float = 0.12  # added per interest both have
    complementary: float = 1.1  # added on networking when their crafts need each other
    same_industry: float = 0.5
    drift: float = 0.35  # radians by which a taste turns within 30 days

    sessions_per_day: tuple[float, ...] = (0.042, 0.020, 0.010)  # of an average member, by surface
    inbox_visits: float = 5.0  # times as many visits to the inbox of a surface as sessions on it
    cards_per_session: float = 8.0
    activity_spread: float = 1.0  # standard deviation of log activity
    decides: float = 0.88  # share of cards that end in a decision
    popular_share: float = 0.5  # of cards drawn by popularity so far; the others are drawn at random
    popular_power: float = 0.6  # a candidate's weight is (1 + likes so far) to this power
    capacity: float = 3.0  # median number of unread likes at which attention is halved
    reads: float = 0.8  # chance that a like is read on such a visit when nothing else waits
    replies: float = 0.75  # chance that a message is answered when nothing else waits


def digest(world: World) -> str:
    """Names a world: equal for equal worlds."""
    return hashlib.blake2b(json.dumps(asdict(world), sort_keys=True).encode(), digest_size=8).hexdigest()


def world_from(stored: dict[str, Any]) -> World:
    """The world that `dataclasses.asdict` gave and JSON kept. Raises TypeError on unknown names."""
    known = {field.name for field in fields(World)}
    if set(stored) - known:
        raise TypeError(f"not part of a world: {sorted(set(stored) - known)}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return World(**values)


def generator(world: World, part: str) -> np.random.Generator:
    """Randomness of one part of the world, independent of every other part."""
    seed = hashlib.blake2b(f"{world.seed}:{part}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(seed, "big")))


def spread_of_gini(gini: float) -> float:
    """Standard deviation s of a lognormal weight with this Gini coefficient: gini = 2 Phi(s / sqrt 2) - 1."""
    if not 0 <= gini < 1:
        raise ValueError("a Gini coefficient is within 0 and 1")
    return float(np.sqrt(2) * ndtri((1 + gini) / 2))


def gini(values: Any) -> float:
    """Gini coefficient of values at or above 0; 0 when all are equal, also when all are 0."""
    x = np.sort(np.asarray(values, "f8"))
    if len(x) == 0 or x.sum() == 0:
        return 0.0
    n = len(x)
    return float(2 * np.sum(np.arange(1, n + 1) * x) / (n * x.sum()) - (n + 1) / n)
