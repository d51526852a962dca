"""What is true in a simulated world: the probability of a like or a save, of anybody for anybody, on any day.

Takes a World; gives probabilities. Every like in the history was drawn from these very numbers, so a test may
compare any estimate with them. Members and places go by index; ids are at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from apps.pipeline.vocabulary import COMPLEMENTARY_CRAFTS
from apps.simulation.cities import KM_PER_DEGREE
from apps.simulation.population import CRAFTS, F64, I64, Latent, Mask, Population, build_population
from apps.simulation.venues import Venues, build_venues
from apps.simulation.world import World, generator

INTERCEPTS = {"dating": -1.3, "networking": -1.5, "travel": -1.9}
AGE_FIT = 0.35  # lost per squared step of AGE_STEP years from the gap that suits
AGE_STEP = 5.0
DISTANCE = 0.2  # lost per log(1 + km / 5)


@dataclass(frozen=True)
class Truth:
    """One world, built."""

    world: World
    members: Population
    venues: Venues

    def like_probability(self, surface: str, viewer: str, candidate: str, *, day: int | None = None) -> float:
        """p(viewer likes candidate) by external id; on `travel`, of a save. Day None: the last."""
        i, j = np.array([index_of(viewer)]), np.array([index_of(candidate)])
        return float(self.probability(surface, i, j, day=day)[0])

    def probability(self, surface: str, viewers: I64, targets: I64, *, day: int | None = None) -> F64:
        """The same for indices; both broadcast."""
        return np.asarray(expit(self.log_odds(surface, viewers, targets, day=day)))

    def log_odds(self, surface: str, viewers: I64, targets: I64, *, day: int | None = None) -> F64:
        """INTERCEPT + selectivity + appeal + how well the looks fit the taste + what both are + chemistry."""
        day = self.world.days if day is None else day
        if surface == "travel":
            return self._save_log_odds(viewers, targets, day)
        latent, weight = self._latent(surface)
        return np.asarray(
            INTERCEPTS[surface]
            + latent.selectivity[viewers]
            + latent.appeal[targets]
            + weight * _fit(self._taste(latent, viewers, day), latent.looks[targets])
            + self._profile_terms(surface, viewers, targets)
            + self.world.community * (self.members.community[viewers] == self.members.community[targets])
            + self.world.chemistry * self._chemistry(surface, viewers, targets)
        )

    def profile_log_odds(self, surface: str, viewers: I64, targets: I64) -> F64:
        """The expectation of `log_odds` given both profiles: the best that a profile alone can tell.

        The community counts as told by the profile, though no profile names it.
        """
        latent, weight = self._latent(surface)
        return np.asarray(
            INTERCEPTS[surface]
            + latent.selectivity_told[viewers]
            + latent.appeal_told[targets]
            + weight * _fit(latent.taste_told[viewers], latent.looks_told[targets])
            + self._profile_terms(surface, viewers, targets)
            + self.world.community * (self.members.community[viewers] == self.members.community[targets])
        )

    def attention(self, members: I64, unread: I64) -> F64:
        """The share of the usual attention that a like or message still gets: 1 / (1 + unread / capacity)."""
        return np.asarray(1.0 / (1.0 + unread / self.members.capacity[members]))

    def reply_probability(self, members: I64, unread: I64) -> F64:
        """The more unread likes, the lower."""
        return self.world.replies * self.attention(members, unread)

    def _latent(self, surface: str) -> tuple[Latent, float]:
        if surface == "dating":
            return self.members.dating, self.world.dating_taste
        if surface == "networking":
            return self.members.networking, self.world.networking_taste
        raise ValueError(f"{surface} is not a surface of this world")

    def _taste(self, latent: Latent, viewers: I64, day: int) -> F64:
        """Tastes turn within the days; in the middle of the history they are as the profile was drawn."""
        angle = self.world.drift * (day - self.world.days / 2) / 30.0
        return np.asarray(np.cos(angle) * latent.taste[viewers] + np.sin(angle) * latent.turn[viewers])

    def _profile_terms(self, surface: str, viewers: I64, targets: I64) -> F64:
        return (
            self._dating_terms(viewers, targets)
            if surface == "dating"
            else self._work_terms(viewers, targets)
        )

    def _dating_terms(self, viewers: I64, targets: I64) -> F64:
        m = self.members
        suits = np.where(m.gender[viewers] == 1, 2.0, np.where(m.gender[viewers] == 2, -2.0, 0.0))
        steps = (m.age[targets] - m.age[viewers] - suits) / AGE_STEP
        shared = _in_common(self._bits["interests"], viewers, targets)
        return np.asarray(
            self.world.shared_interest * shared
            - AGE_FIT * np.minimum(steps**2, 6.0)
            - DISTANCE * np.log1p(kilometres(m, viewers, targets) / 5.0)
        )

    def _work_terms(self, viewers: I64, targets: I64) -> F64:
        bits = self._bits
        need = (bits["partners"][viewers] & bits["crafts"][targets]) != 0
        same = (bits["industries"][viewers] & bits["industries"][targets]) != 0
        return np.asarray(self.world.complementary * need + self.world.same_industry * same)

    def _save_log_odds(self, viewers: I64, places: I64, day: int) -> F64:
        # Taste in places is the taste on networking turned around: another one, as stable, as well told.
        latent, venues = self.members.networking, self.venues
        taste = self._taste(latent, viewers, day)[..., ::-1]
        return np.asarray(
            INTERCEPTS["travel"]
            + self._traveller["open"][viewers]
            + venues.quality[places]
            + self.world.travel_taste * _fit(taste, venues.style[places])
            - 0.4 * np.abs(venues.price_band[places] - self._traveller["budget"][viewers])
            + self.world.chemistry * self._chemistry("travel", viewers, places)
        )

    def _chemistry(self, surface: str, viewers: I64, targets: I64) -> F64:
        """A standard normal for each ordered pair, from a hash: the same whenever it is asked."""
        salt = np.uint64(int(generator(self.world, f"chemistry {surface}").integers(1 << 62)))
        key = np.asarray(viewers).astype("u8") << np.uint64(32) | np.asarray(targets).astype("u8")
        uniform = (_mixed(key ^ salt) >> np.uint64(11)).astype("f8") / 2.0**53
        return np.asarray(ndtri(np.clip(uniform, 1e-12, 1 - 1e-12)))

    @cached_property
    def _traveller(self) -> dict[str, F64]:
        g = generator(self.world, "travellers")
        n = len(self.members)
        return {
            "open": self.world.selectivity * g.standard_normal(n),
            "budget": g.choice([1.0, 2.0, 3.0, 4.0], n),
        }

    @cached_property
    def _bits(self) -> dict[str, I64]:
        m = self.members
        return {
            "industries": _packed(m.industries),
            "crafts": _packed(m.crafts),
            "interests": _packed(m.interests > 0),
            "partners": _packed(_partners(m.crafts)),
        }


def build_truth(world: World, *, data_dir: str = "") -> Truth:
    """The same world gives the same truth, bit for bit."""
    return Truth(world, build_population(world, data_dir=data_dir), build_venues(world, data_dir=data_dir))


def member_id(world: World, index: int) -> str:
    """A member's id outside."""
    return f"sim{world.seed}-{index:06d}"


def place_id(world: World, index: int) -> str:
    """A place's id outside."""
    return f"sim{world.seed}-p{index:05d}"


def index_of(external_id: str) -> int:
    """The index in the world of a member's or place's id."""
    return int(external_id.rsplit("-", 1)[1].lstrip("p"))


def kilometres(m: Population, a: I64, b: I64) -> F64:
    """Distance between the cells of members of one market."""
    north = (m.latitude[a] - m.latitude[b]) * KM_PER_DEGREE
    east = (m.longitude[a] - m.longitude[b]) * KM_PER_DEGREE * np.cos(np.radians(m.latitude[a]))
    return np.asarray(np.hypot(north, east))


def _fit(taste: F64, looks: F64) -> F64:
    product = taste * looks
    return np.asarray(product.sum(axis=-1) / np.sqrt(product.shape[-1]))


def _packed(chosen: Mask) -> I64:
    return np.asarray((chosen.astype("i8") << np.arange(chosen.shape[1])).sum(axis=1))


def _partners(crafts: Mask) -> Mask:
    """Which crafts complement those of each member."""
    needs = np.zeros((len(CRAFTS), len(CRAFTS)), bool)
    for a, b in COMPLEMENTARY_CRAFTS:
        i, j = CRAFTS.index(a), CRAFTS.index(b)
        needs[i, j] = needs[j, i] = True
    return np.asarray(np.einsum("ij,jk->ik", crafts.astype("i4"), needs.astype("i4")) > 0)


def _in_common(bits: I64, a: I64, b: I64) -> I64:
    return np.asarray(np.bitwise_count(bits[a] & bits[b]), "i8")


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """splitmix64's finaliser."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
