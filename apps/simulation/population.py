"""The members of a simulated world, as columns: what their profiles say, and what only the simulator knows.

Takes a World; gives a Population. Latent columns come with the part of them that the profile tells, so that
"how much does the profile explain" has an exact answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.common.geo import cell_of, centres_of
from apps.pipeline.vocabulary import ALL_INTENTS, COMPLEMENTARY_CRAFTS, GENDERS, INTENTS
from apps.simulation import words
from apps.simulation.cities import homes
from apps.simulation.world import World, generator, spread_of_gini

F64 = npt.NDArray[np.floating[Any]]
I64 = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]

DAY = 86_400
SCENES = 12  # ways of life: each prefers some industries, crafts, skills and interests
COMMUNITY_SIZE = 60
CRAFTS = tuple(sorted({craft for pair in COMPLEMENTARY_CRAFTS for craft in pair}))
STATUSES = ("active", "applicant", "paused", "lapsed", "suspended")
STATUS_SHARES = (0.94, 0.02, 0.02, 0.015, 0.005)
WOMAN, MAN, NONBINARY = GENDERS["woman"], GENDERS["man"], GENDERS["nonbinary"]


@dataclass(frozen=True)
class Latent:
    """What drives likes on one surface. `..._told`: its expectation given the profile."""

    taste: F64  # [n, d], unit variance
    taste_told: F64
    turn: F64  # [n, d]: where taste turns to as days pass
    looks: F64
    looks_told: F64
    appeal: F64  # [n] log-odds
    appeal_told: F64
    selectivity: F64  # [n] log-odds added to every like they give
    selectivity_told: F64


@dataclass(frozen=True)
class Population:
    """Row i is the same member in every column."""

    market: I64  # index into cities.CITIES
    cell: I64
    latitude: F64  # of the cell's centre
    longitude: F64
    gender: I64  # one bit of GENDERS
    seeking: I64  # bits
    birth_day: I64  # days since 1970-01-01; unknown where `birth_known` is false
    birth_known: Mask
    age: F64  # years at the anchor
    age_min: I64
    age_max: I64
    max_distance: I64  # km; 0: no limit
    intents: I64  # bits of INTENTS; 0: none named
    status: I64  # index into STATUSES
    hidden: Mask
    joined: I64  # seconds since 1970-01-01 UTC
    industries: Mask  # [n, words]
    crafts: Mask
    skills: Mask
    interests: F64  # [n, words] weights, 0: not an interest
    scene: I64
    community: I64
    activity: F64  # multiplies the number of sessions; mean 1
    capacity: F64  # unread likes at which attention is halved
    dating: Latent
    networking: Latent

    def __len__(self) -> int:
        return len(self.market)

    @property
    def open_intents(self) -> I64:
        """Intents with "none named" read as open to all."""
        return np.where(self.intents == 0, ALL_INTENTS, self.intents)

    @property
    def shown(self) -> Mask:
        """Who may be shown at all."""
        return np.asarray((self.status == 0) & ~self.hidden & self.birth_known & (self.age >= 18))


def build_population(world: World, *, data_dir: str) -> Population:
    """All members. `data_dir`: where the list of cities lies; used only by a world that says so."""
    g = generator(world, "population")
    n = world.members
    market = g.choice(len(world.city_shares), n, p=np.array(world.city_shares))
    latitude, longitude = homes(g, market, data_dir=data_dir if world.geonames else "")
    cell = np.array([cell_of(*point) for point in zip(latitude, longitude, strict=True)], "i8").reshape(n)
    latitude, longitude = centres_of(cell)
    gender, seeking = _genders(g, n)
    age = 19.0 + np.minimum(g.gamma(3.2, 4.6, n), 55.0)
    age_min, age_max = _age_ranges(g, age, gender)
    scene = g.integers(0, SCENES, n)
    profile = _profile(world, scene)
    community = _communities(g, market, scene)
    told = _told(world, profile, world.dimensions)
    activity = g.lognormal(0.0, world.activity_spread, n)
    return Population(
        market=market,
        cell=cell,
        latitude=latitude,
        longitude=longitude,
        gender=gender,
        seeking=seeking,
        birth_day=world.anchor // DAY - np.floor(age * 365.25).astype("i8") - 1,
        birth_known=g.random(n) >= 0.004,
        age=age,
        age_min=age_min,
        age_max=age_max,
        max_distance=g.choice([0, 15, 25, 40, 80], n, p=[0.3, 0.1, 0.2, 0.25, 0.15]),
        intents=_intents(g, n),
        status=g.choice(len(STATUSES), n, p=STATUS_SHARES),
        hidden=g.random(n) < 0.02,
        joined=_joined(world, g, n),
        industries=profile[0],
        crafts=profile[1],
        skills=profile[2],
        interests=profile[3],
        scene=scene,
        community=community,
        activity=activity / activity.mean() if n else activity,
        capacity=world.capacity * g.lognormal(0.0, 0.4, n),
        dating=_latent(world, "dating", told, profile[1], gender),
        networking=_latent(world, "networking", told[::-1], profile[1], gender * 0),
    )


def _genders(g: np.random.Generator, n: int) -> tuple[I64, I64]:
    gender = g.choice([WOMAN, MAN, NONBINARY], n, p=[0.49, 0.48, 0.03])
    kind = g.choice(3, n, p=[0.86, 0.08, 0.06])  # the other gender, the same, everybody
    other = np.where(gender == WOMAN, MAN, WOMAN)
    everybody = WOMAN | MAN | NONBINARY
    seeking = np.select([kind == 0, kind == 1], [other, gender], everybody)
    return gender, np.where(gender == NONBINARY, everybody, seeking)


def _age_ranges(g: np.random.Generator, age: F64, gender: I64) -> tuple[I64, I64]:
    width = g.uniform(4, 12, len(age))
    shift = np.select([gender == WOMAN, gender == MAN], [2.0, -2.0], 0.0)
    low = np.clip(np.floor(age + shift - width), 18, 90).astype("i8")
    high = np.clip(np.ceil(age + shift + width), low + 3, 120).astype("i8")
    return low, high


def _intents(g: np.random.Generator, n: int) -> I64:
    shares = dict(zip(INTENTS, (0.45, 0.2, 0.15, 0.3, 0.4, 0.12, 0.12, 0.15, 0.06), strict=True))
    bits = np.zeros(n, "i8")
    for name, share in shares.items():
        bits |= np.where(g.random(n) < share, INTENTS[name], 0)
    return bits


def _joined(world: World, g: np.random.Generator, n: int) -> I64:
    recent = g.random(n) < world.joined_during
    within = g.integers(0, max(1, world.days * DAY), n)
    before = world.days * DAY + g.integers(0, 720 * DAY, n)
    return world.anchor - np.where(recent, within, before)


def _communities(g: np.random.Generator, market: I64, scene: I64) -> I64:
    """Circles of about 60 within one market, mostly of one way of life."""
    community = np.zeros(len(market), "i8")
    first = 0
    for index in range(int(market.max(initial=-1)) + 1):
        mine = np.flatnonzero(market == index)
        circles = max(SCENES, len(mine) // COMMUNITY_SIZE)
        drawn = g.integers(0, circles, len(mine))
        own = drawn - drawn % SCENES + scene[mine]
        loyal = (g.random(len(mine)) < 0.75) & (own < circles)
        community[mine] = first + np.where(loyal, own, drawn)
        first += circles
    return community


def _profile(world: World, scene: I64) -> tuple[Mask, Mask, Mask, F64]:
    g = generator(world, "profile")
    industries = _pick(g, scene, len(words.INDUSTRIES), most=2, focus=1.6)
    crafts = _pick(g, scene, len(CRAFTS), most=2, focus=1.6)
    skills = _pick(g, scene, len(words.SKILLS), most=5, focus=0.8)
    interests = _pick(g, scene, len(words.INTERESTS), most=7, focus=0.9)
    weights = np.round(g.uniform(0.3, 1.0, interests.shape), 2)
    return industries, crafts, skills, np.where(interests, weights, 0.0)


def _pick(g: np.random.Generator, scene: I64, size: int, *, most: int, focus: float) -> Mask:
    """1 to `most` words for each member, more probably those of their scene (Gumbel top-k)."""
    taste = focus * g.standard_normal((SCENES, size))
    keys = taste[scene] + g.gumbel(size=(len(scene), size))
    order = np.argsort(-keys, axis=1, kind="stable")
    count = 1 + g.integers(0, most, len(scene))
    chosen = np.zeros((len(scene), size), bool)
    np.put_along_axis(chosen, order, np.arange(size)[None, :] < count[:, None], axis=1)
    return chosen


def _told(world: World, profile: tuple[Mask, Mask, Mask, F64], dimensions: int) -> list[F64]:
    """Two standardised linear readings [n, d] of the profile: how it looks, and what it likes."""
    g = generator(world, "readings")
    columns = np.concatenate([profile[0] * 1.0, profile[1] * 1.0, profile[3] * 1.5], axis=1)
    looks, other = (
        standardised(product(columns, g.standard_normal((columns.shape[1], dimensions)))) for _ in range(2)
    )
    return [looks, standardised(0.7 * looks + 0.7 * other)]


def _glamour(world: World, surface: str, crafts: Mask) -> F64:
    g = generator(world, f"glamour {surface}")
    return standardised(product(crafts * 1.0, g.standard_normal((crafts.shape[1], 1))))[:, 0]


def _latent(world: World, surface: str, told: list[F64], crafts: Mask, gender: I64) -> Latent:
    g = generator(world, f"latent {surface}")
    glamour = _glamour(world, surface, crafts)
    skew = world.skew if surface == "dating" else world.networking_skew
    n, d = told[0].shape
    share, spread = world.taste_from_profile, spread_of_gini(skew)
    looks_told, taste_told = (np.sqrt(share) * part for part in told)
    looks = looks_told + np.sqrt(1 - share) * g.standard_normal((n, d))
    taste = taste_told + np.sqrt(1 - share) * g.standard_normal((n, d))
    appeal_told = spread * np.sqrt(world.appeal_from_profile) * glamour
    appeal = appeal_told + spread * np.sqrt(1 - world.appeal_from_profile) * g.standard_normal(n)
    choosy = np.select([gender == WOMAN, gender == MAN], [-0.7, 0.4], 0.0)
    return Latent(
        taste=taste,
        taste_told=taste_told,
        turn=g.standard_normal((n, d)),
        looks=looks,
        looks_told=looks_told,
        appeal=appeal,
        appeal_told=appeal_told,
        selectivity=choosy + world.selectivity * g.standard_normal(n),
        selectivity_told=choosy,
    )


def product(a: F64, b: F64) -> F64:
    """A matrix product without BLAS: the same bits whatever the number of threads."""
    result: F64 = np.einsum("ij,jk->ik", a, b)
    return result


def standardised(a: F64) -> F64:
    spread = a.std(axis=0)
    return (a - a.mean(axis=0)) / np.where(spread > 0, spread, 1.0) if len(a) else a
