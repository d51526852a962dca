"""Places of a simulated world and the curated lists over them, as columns. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.common.geo import cell_of, centres_of
from apps.simulation import words
from apps.simulation.cities import CITIES, homes
from apps.simulation.population import F64, I64, Mask, product, standardised
from apps.simulation.world import World, generator, spread_of_gini

LIST_LENGTH = 12


@dataclass(frozen=True)
class Venues:
    """Row i is the same place in every column."""

    market: I64
    latitude: F64
    longitude: F64
    category: I64
    tags: Mask
    price_band: I64  # 1 to 4
    closed: Mask
    open_months: Mask  # [n, 12]
    best_months: Mask  # [n, 12]; none: at any time alike
    quality: F64  # log-odds
    style: F64  # [n, d]: meets a member's taste in places
    style_told: F64
    lists: tuple[tuple[int, str, tuple[int, ...]], ...]  # market, title, places in order

    def __len__(self) -> int:
        return len(self.market)

    def open_in(self, month: int) -> Mask:
        """Which are open in a month from 1 to 12."""
        return ~self.closed & self.open_months[:, month - 1]


def build_venues(world: World, *, data_dir: str) -> Venues:
    """All places. Their style shows in category and tags as much as a member's taste in the profile."""
    g = generator(world, "venues")
    n, d, share = world.places, world.dimensions, world.taste_from_profile
    market = g.choice(len(world.city_shares), n, p=np.array(world.city_shares))
    latitude, longitude = homes(g, market, data_dir=data_dir if world.geonames else "", spread_km=2.0)
    cell = np.array([cell_of(*point) for point in zip(latitude, longitude, strict=True)], "i8").reshape(n)
    latitude, longitude = centres_of(cell)
    category = g.integers(0, len(words.CATEGORIES), n)
    tags = g.random((n, len(words.TAGS))) < 0.2
    seen = np.concatenate([np.eye(len(words.CATEGORIES))[category] * 2, tags * 1.0], axis=1)
    style_told = np.sqrt(share) * standardised(product(seen, g.standard_normal((seen.shape[1], d))))
    quality = spread_of_gini(world.place_skew) * g.standard_normal(n)
    open_months, best_months = _seasons(world, category, tags)
    return Venues(
        market=market,
        latitude=latitude,
        longitude=longitude,
        category=category,
        tags=tags,
        price_band=g.choice([1, 2, 3, 4], n, p=[0.2, 0.4, 0.3, 0.1]),
        closed=g.random(n) < 0.02,
        open_months=open_months,
        best_months=best_months,
        quality=quality,
        style=style_told + np.sqrt(1 - share) * g.standard_normal((n, d)),
        style_told=style_told,
        lists=tuple(_lists(g, market, quality)),
    )


def _seasons(world: World, category: I64, tags: Mask) -> tuple[Mask, Mask]:
    """Half of the parks and of what has a rooftop is closed in winter; terraces and gardens are at their best
    in summer, spas in winter."""
    month = np.arange(1, 13)
    summer, winter = (month >= 5) & (month <= 9), (month >= 11) | (month <= 2)

    def has(tag: str) -> Mask:
        return np.asarray(tags[:, words.TAGS.index(tag)])

    def is_a(name: str) -> Mask:
        return np.asarray(category == words.CATEGORIES.index(name))

    seasonal = (is_a("park") | has("rooftop")) & (generator(world, "seasons").random(len(category)) < 0.5)
    best = (has("terrace") | has("garden"))[:, None] & summer | is_a("spa")[:, None] & winter
    is_open = ~seasonal[:, None] | ((month >= 4) & (month <= 10))
    return is_open, best & is_open


def _lists(g: np.random.Generator, market: I64, quality: F64) -> list[tuple[int, str, tuple[int, ...]]]:
    """Two lists per market, chosen by somebody with a fair eye for quality."""
    result = []
    for index, city in enumerate(CITIES):
        mine = np.flatnonzero(market == index)
        for title in ("First visit", "Where the evenings go"):
            liked = quality[mine] + g.standard_normal(len(mine))
            best = mine[np.argsort(-liked, kind="stable")[:LIST_LENGTH]]
            result.append((index, f"{title}: {city.name}", tuple(int(place) for place in best)))
    return result
