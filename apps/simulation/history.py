"""What happened in a simulated world: events day by day, drawn from the truth.

Takes a Truth; gives Events in order of time. Each day, inboxes are read first, then cards are looked at.
Nobody saw the same card twice on one surface. Members stay in their home market, except on `travel`,
where a trip moves them. Pure numpy: nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from apps.pipeline.vocabulary import GENDERS
from apps.simulation.cities import CITIES
from apps.simulation.eligibility import eligible
from apps.simulation.feed import Cards, Shelf, draw_cards, shelf
from apps.simulation.inbox import Inbox
from apps.simulation.log import Events, Log, PairSet, among, pair_key
from apps.simulation.population import DAY, F64, I64, Mask
from apps.simulation.schedule import (
    ON_TRIP,
    Sessions,
    Trips,
    build_trips,
    draw_sessions,
    market_on,
    month_of,
    present,
    start_of,
)
from apps.simulation.truth import Truth
from apps.simulation.world import generator

LOOKS_CLOSER = 0.25  # share of cards whose profile is opened
WRITES = 0.6  # share of matches in which somebody writes
BLOCKS_LIKE = 0.004  # share of likes read that end in a block
BLOCKS_MESSAGE = 0.012  # share of first messages that do
REPORTS = 0.3  # share of blocks that come with a report
VISITS = 0.25  # share of saves that end in a visit
PEOPLE = ("dating", "networking")


@dataclass
class State:
    """What has happened so far, as far as the next day depends on it."""

    truth: Truth
    log: Log
    seen: dict[str, PairSet] = field(default_factory=lambda: {s: PairSet() for s in (*PEOPLE, "travel")})
    decided: dict[str, PairSet] = field(default_factory=lambda: {s: PairSet() for s in PEOPLE})
    liked: dict[str, PairSet] = field(default_factory=lambda: {s: PairSet() for s in PEOPLE})
    inbox: dict[str, Inbox] = field(default_factory=lambda: {s: Inbox() for s in PEOPLE})
    likes: dict[str, I64] = field(default_factory=dict)  # received so far, by member or place

    def unread(self) -> I64:
        """Unread likes of each member on all surfaces: attention is one."""
        n = len(self.truth.members)
        total: I64 = sum((box.unread(n) for box in self.inbox.values()), np.zeros(n, "i8"))
        return total


def draw_history(truth: Truth, *, progress: Callable[[int], None] = lambda day: None) -> Events:
    """All events of the world's days."""
    world, n = truth.world, len(truth.members)
    state = State(truth, Log(end=world.anchor))
    state.likes = {s: np.zeros(n, "i8") for s in PEOPLE} | {"travel": np.zeros(len(truth.venues), "i8")}
    trips = build_trips(world, truth.members.market)
    for day in range(world.days):
        g = generator(world, f"day {day}")
        for surface in PEOPLE:
            often = np.full(n, world.inbox_visits)
            _read_inbox(state, g, surface, day, draw_sessions(truth, g, surface, day, more=often))
            _look_at_people(state, g, surface, day, draw_sessions(truth, g, surface, day))
        _look_at_places(state, g, day, trips)
        progress(day)
    return state.log.events()


def _read_inbox(state: State, g: np.random.Generator, surface: str, day: int, visits: Sessions) -> None:
    """Members who are there read some of the likes they got, and answer them."""
    truth, box, log = state.truth, state.inbox[surface], state.log
    first = np.full(len(truth.members), -1, "i8")
    first[visits.viewer[::-1]] = visits.start[::-1]
    waiting = state.unread()[box.receiver] - 1
    chance = truth.world.reads * truth.attention(box.receiver, waiting)
    giver, me = box.take((first[box.receiver] >= 0) & (g.random(len(box.giver)) < chance))
    at = first[me] + g.integers(0, 60, len(me))
    log.add("like_read", surface, me, giver, at)
    blocks = g.random(len(me)) < BLOCKS_LIKE
    _block(state, g, me[blocks], giver[blocks], at[blocks] + 30)
    me, giver, at = me[~blocks], giver[~blocks], at[~blocks]
    answered = g.random(len(me)) < truth.world.decides
    state.seen[surface].add(me, giver)
    _decide(state, g, surface, day, Cards(me[answered], giver[answered], me[answered] * 0 - 1, at[answered]))


def _look_at_people(state: State, g: np.random.Generator, surface: str, day: int, sessions: Sessions) -> None:
    truth, log = state.truth, state.log
    cards = draw_cards(
        g,
        sessions,
        stock=_people_shelf(state, surface, day),
        groups=_groups_of(truth, surface, day),
        check=lambda a, b: eligible(truth.members, surface, a, b),
        seen=state.seen[surface],
        popular_share=truth.world.popular_share,
    )
    log.add("impression", surface, cards.viewer, cards.target, cards.at, cards.position)
    closer = g.random(len(cards.viewer)) < LOOKS_CLOSER
    opened = cards.of(closer)
    log.add("profile_view", surface, opened.viewer, opened.target, opened.at + 6)
    chosen = g.random(len(cards.viewer)) < truth.world.decides
    _decide(
        state,
        g,
        surface,
        day,
        Cards(*(c[chosen] for c in (cards.viewer, cards.target, cards.position, cards.at))),
    )


def _decide(state: State, g: np.random.Generator, surface: str, day: int, cards: Cards) -> None:
    """Likes and passes, drawn from the truth; a like that meets a like is a match, any other one waits."""
    new = ~state.decided[surface].has(cards.viewer, cards.target)
    me, other, at = cards.viewer[new], cards.target[new], cards.at[new] + 15
    position = cards.position[new]
    likes = g.random(len(me)) < state.truth.probability(surface, me, other, day=day)
    state.log.add("like", surface, me[likes], other[likes], at[likes], position[likes])
    state.log.add("pass", surface, me[~likes], other[~likes], at[~likes], position[~likes])
    state.decided[surface].add(me, other)
    state.inbox[surface].drop(other, me)  # seen on a card before the inbox was opened: answered all the same
    me, other, at = me[likes], other[likes], at[likes]
    state.liked[surface].add(me, other)
    np.add.at(state.likes[surface], other, 1)
    mutual = state.liked[surface].has(other, me)
    once = mutual & ~((me > other) & among(pair_key(other, me), np.sort(pair_key(me, other))))
    waiting = ~mutual & ~state.decided[surface].has(other, me)
    state.inbox[surface].receive(me[waiting], other[waiting])
    _talk(state, g, surface, me[once], other[once], at[once])


def _talk(state: State, g: np.random.Generator, surface: str, a: I64, b: I64, at: I64 | F64) -> None:
    """Somebody may write, the other may answer; then they go on for a while."""
    log, truth = state.log, state.truth
    wrote = g.random(len(a)) < WRITES
    turned = g.random(len(a)) < 0.5
    a, b, at = np.where(turned, b, a)[wrote], np.where(turned, a, b)[wrote], at[wrote]
    at = at + g.exponential(2 * 3600, len(a)) + 60
    log.add("message", surface, a, b, at)
    blocks = g.random(len(a)) < BLOCKS_MESSAGE
    answers = (g.random(len(a)) < truth.reply_probability(b, state.unread()[b])) & ~blocks
    _block(state, g, b[blocks], a[blocks], at[blocks] + 1800)
    a, b, at = a[answers], b[answers], at[answers] + g.exponential(6 * 3600, int(answers.sum())) + 60
    log.add("reply", surface, b, a, at)
    for turn in range(4):
        on = g.random(len(a)) < 0.6
        a, b, at = b[on], a[on], at[on] + g.exponential(4 * 3600, int(on.sum())) + 60
        log.add("message" if turn % 2 == 0 else "reply", surface, b, a, at)


def _block(state: State, g: np.random.Generator, me: I64, other: I64, at: I64 | F64) -> None:
    """From here on neither is shown to the other."""
    state.log.add("block", "", me, other, at)
    told = g.random(len(me)) < REPORTS
    state.log.add("report", "", me[told], other[told], at[told] + 20)
    for surface in PEOPLE:
        for a, b in ((me, other), (other, me)):
            state.seen[surface].add(a, b)
            state.decided[surface].add(a, b)
            state.inbox[surface].drop(a, b)


def _look_at_places(state: State, g: np.random.Generator, day: int, trips: Trips) -> None:
    truth, venues = state.truth, state.truth.venues
    today = (start_of(truth.world, day) + DAY // 2) // DAY
    market, away = market_on(trips, truth.members.market, today)
    sessions = draw_sessions(truth, g, "travel", day, more=np.where(away, ON_TRIP, 1.0))
    weights = (1.0 + state.likes["travel"]) ** truth.world.popular_power
    cards = draw_cards(
        g,
        sessions,
        stock=shelf(venues.market, len(CITIES), venues.open_in(month_of(today)), weights),
        groups=lambda viewers, u: market[viewers],
        check=lambda viewers, places: np.ones(len(places), bool),
        seen=state.seen["travel"],
        popular_share=truth.world.popular_share,
    )
    state.log.add("impression", "travel", cards.viewer, cards.target, cards.at, cards.position)
    saves = g.random(len(cards.viewer)) < truth.probability("travel", cards.viewer, cards.target, day=day)
    me, place, at = cards.viewer[saves], cards.target[saves], cards.at[saves] + 15
    state.log.add("save", "travel", me, place, at, cards.position[saves])
    np.add.at(state.likes["travel"], place, 1)
    went = g.random(len(me)) < VISITS
    state.log.add(
        "visit", "travel", me[went], place[went], at[went] + g.exponential(1.5 * DAY, int(went.sum())) + 3600
    )


def _people_shelf(state: State, surface: str, day: int) -> Shelf:
    """Candidates by market, on dating also by gender."""
    weights = (1.0 + state.likes[surface]) ** state.truth.world.popular_power
    return shelf(_group(state.truth, surface), 3 * len(CITIES), _candidates(state.truth, day), weights)


def _candidates(truth: Truth, day: int) -> Mask:
    return present(truth, start_of(truth.world, day))


def _group(truth: Truth, surface: str) -> I64:
    gender = np.searchsorted(np.array(sorted(GENDERS.values())), truth.members.gender)
    return truth.members.market * 3 + (gender if surface == "dating" else 0)


def _groups_of(truth: Truth, surface: str, day: int) -> Callable[[I64, F64], I64]:
    """Which group a proposal comes from: on dating a gender that is sought, by how many there are of it."""
    members = truth.members
    if surface != "dating":
        return lambda viewers, u: members.market[viewers] * 3
    group = _group(truth, surface)[_candidates(truth, day)]
    sizes = np.bincount(group, minlength=3 * len(CITIES)).reshape(-1, 3)
    sought = (members.seeking[:, None] & np.array([1, 2, 4])) != 0
    share = np.cumsum(sizes[members.market] * sought, axis=1)

    def draw(viewers: I64, u: F64) -> I64:
        chosen = (u[:, None] * share[viewers, -1:] >= share[viewers]).sum(axis=1)
        return np.asarray(members.market[viewers] * 3 + np.minimum(chosen, 2))

    return draw
