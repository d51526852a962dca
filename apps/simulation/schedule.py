"""When members are there: sessions by hour of their own day, and the trips they make. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from apps.simulation.cities import CITIES
from apps.simulation.population import DAY, F64, I64, Mask
from apps.simulation.truth import Truth
from apps.simulation.world import SURFACES, World, generator

# How sessions fall on the 24 hours of where the member lives: few at night, a small noon, a high evening.
HOURS = np.array([2, 1, 0.5, 0.3, 0.3, 0.6, 1.5, 3, 4, 4, 4, 4.5, 5.5, 5, 4, 4, 4.5, 5.5, 7, 8, 9, 9, 7, 4.5])
LONGEST_SESSION = 40  # cards
ON_TRIP = 6.0  # times as many sessions on travel


@dataclass(frozen=True)
class Sessions:
    """One row per session, by viewer."""

    viewer: I64
    start: I64  # seconds since 1970-01-01 UTC
    cards: I64


@dataclass(frozen=True)
class Trips:
    """One row per trip. Days since 1970-01-01, both inclusive."""

    member: I64
    market: I64
    first_day: I64
    last_day: I64


def start_of(world: World, day: int) -> int:
    """When a day of the history starts; the last one ends at the anchor."""
    return world.anchor - (world.days - day) * DAY


def present(truth: Truth, at: int) -> Mask:
    """Members who had joined by then and may take part."""
    return np.asarray(truth.members.shown & (truth.members.joined < at))


def draw_sessions(
    truth: Truth, g: np.random.Generator, surface: str, day: int, more: F64 | None = None
) -> Sessions:
    """The sessions of one day on one surface. `more` [members] multiplies the usual number."""
    world, members = truth.world, truth.members
    start = start_of(world, day)
    rate = world.sessions_per_day[SURFACES.index(surface)] * members.activity * present(truth, start)
    number = g.poisson(rate if more is None else rate * more)
    viewer = np.repeat(np.arange(len(members)), number)
    hour = g.choice(24, len(viewer), p=HOURS / HOURS.sum()) * 3600
    since = np.mod(hour - offsets(start)[members.market[viewer]] - start, DAY)
    since = np.minimum(since - since % 3600 + g.integers(0, 2400, len(viewer)), DAY - 1200)
    cards = 1 + np.minimum(g.geometric(1 / world.cards_per_session, len(viewer)), LONGEST_SESSION)
    return Sessions(viewer, start + since, cards)


def build_trips(world: World, markets: I64) -> Trips:
    """Some members go to another market for some days around the anchor, before or after it."""
    g = generator(world, "trips")
    member = np.flatnonzero(g.random(len(markets)) < world.trips)
    step = 1 + g.integers(0, len(CITIES) - 1, len(member))
    first = world.anchor // DAY + g.integers(-world.days, 31, len(member))
    return Trips(
        member, (markets[member] + step) % len(CITIES), first, first + g.integers(2, 12, len(member))
    )


def market_on(trips: Trips, homes: I64, day: int) -> tuple[I64, Mask]:
    """The market of each member on a day since 1970-01-01, and who is on a trip."""
    now = (trips.first_day <= day) & (trips.last_day >= day)
    market, away = homes.copy(), np.zeros(len(homes), bool)
    market[trips.member[now]] = trips.market[now]
    away[trips.member[now]] = True
    return market, away


def offsets(at: int) -> I64:
    """Seconds that local time is ahead of UTC, by market."""
    moment = datetime.fromtimestamp(at, UTC)
    offsets = [moment.astimezone(ZoneInfo(city.timezone)).utcoffset() for city in CITIES]
    return np.array([int(offset.total_seconds()) if offset else 0 for offset in offsets])


def month_of(day: int) -> int:
    """The month, from 1 to 12, of a day since 1970-01-01."""
    return int(np.datetime64(day, "D").astype("M8[M]").astype("i8")) % 12 + 1
