"""The world of a simulation: the same seed gives the same one, and its numbers are what its settings say."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from apps.simulation.cities import CITIES
from apps.simulation.eligibility import eligible
from apps.simulation.graph import build_graph
from apps.simulation.history import draw_history
from apps.simulation.log import Events
from apps.simulation.schedule import HOURS
from apps.simulation.truth import Truth, build_truth, index_of, member_id, place_id
from apps.simulation.world import World, digest, gini, spread_of_gini, world_from

SMALL = World(members=3000, places=300, days=30, seed=3)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return build_truth(SMALL)


@pytest.fixture(scope="module")
def events(truth: Truth) -> Events:
    return draw_history(truth)


def random_eligible_pairs(truth: Truth, surface: str) -> tuple[np.ndarray, np.ndarray]:
    g = np.random.default_rng(0)
    a, b = g.integers(0, len(truth.members), (2, 300_000))
    fits = eligible(truth.members, surface, a, b)
    return a[fits], b[fits]


def test_gini_of_four_incomes_worked_out_by_hand() -> None:
    # Mean difference of all 16 ordered pairs: (4*3 + 4*1 + ...)/16; gini = sum|x-y| / (2 n^2 mean).
    assert gini([1, 1, 1, 1]) == 0
    assert gini([0, 0, 0, 4]) == pytest.approx(0.75)
    assert gini([1, 2, 3, 4]) == pytest.approx(20 / (2 * 16 * 2.5))


@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6, 0.81])
def test_attractiveness_has_the_gini_that_the_world_asks_for(wanted: float) -> None:
    truth = build_truth(World(members=20_000, places=1, skew=wanted))
    assert gini(np.exp(truth.members.dating.appeal)) == pytest.approx(wanted, abs=0.03)


def test_no_skew_has_no_spread() -> None:
    assert spread_of_gini(0) == 0


def test_the_same_seed_gives_the_same_market_bit_for_bit(truth: Truth, events: Events) -> None:
    again = build_truth(replace(SMALL))
    for name in ("latitude", "birth_day", "interests", "joined", "capacity"):
        assert np.array_equal(getattr(truth.members, name), getattr(again.members, name))
    assert np.array_equal(truth.members.dating.looks, again.members.dating.looks)
    twice = draw_history(again)
    for name in ("type", "actor", "target", "surface", "position", "at"):
        assert np.array_equal(getattr(events, name), getattr(twice, name))
    one, other = build_graph(SMALL, truth.members), build_graph(SMALL, again.members)
    assert np.array_equal(one.a, other.a)
    assert np.array_equal(one.visible, other.visible)


def test_another_seed_gives_another_market(truth: Truth) -> None:
    other = build_truth(replace(SMALL, seed=4))
    assert not np.array_equal(truth.members.dating.looks, other.members.dating.looks)
    assert digest(SMALL) != digest(replace(SMALL, seed=4))


def test_a_world_survives_json() -> None:
    assert world_from(json.loads(json.dumps(asdict(SMALL)))) == SMALL
    with pytest.raises(TypeError, match="not part of a world"):
        world_from({"gravity": 9.81})


@pytest.mark.parametrize("surface", ["dating", "networking"])
def test_the_profile_explains_at_most_thirty_percent_of_likes(truth: Truth, surface: str) -> None:
    a, b = random_eligible_pairs(truth, surface)
    true, told = truth.log_odds(surface, a, b), truth.profile_log_odds(surface, a, b)
    explained = 1 - np.mean((true - told) ** 2) / true.var()
    assert 0.10 < explained <= 0.30


def test_what_the_profile_tells_is_an_unbiased_guess(truth: Truth) -> None:
    """If the told part were more than an expectation, its slope on the truth would not be 1."""
    a, b = random_eligible_pairs(truth, "dating")
    true, told = truth.log_odds("dating", a, b), truth.profile_log_odds("dating", a, b)
    assert np.polyfit(told, true, 1)[0] == pytest.approx(1.0, abs=0.12)


def test_tastes_drift_and_chemistry_does_not(truth: Truth) -> None:
    a, b = random_eligible_pairs(truth, "dating")
    first, last = (truth.log_odds("dating", a, b, day=day) for day in (0, 30))
    assert 0.05 < np.std(last - first) < 0.6
    assert np.array_equal(last, truth.log_odds("dating", a, b))
    assert np.array_equal(truth._chemistry("dating", a, b), truth._chemistry("dating", a, b))
    assert np.std(truth._chemistry("dating", a, b)) == pytest.approx(1.0, abs=0.02)


def test_the_more_unread_likes_the_fewer_replies(truth: Truth) -> None:
    one = np.zeros(4, "i8")
    chances = truth.reply_probability(one, np.array([0, 5, 20, 100]))
    assert chances[0] == pytest.approx(SMALL.replies)
    assert np.all(np.diff(chances) < 0)
    assert truth.attention(one, truth.members.capacity[:1])[0] == pytest.approx(0.5)


def test_attention_shows_in_the_history(events: Events) -> None:
    """The same world with inboxes that never tire: more likes are read, and more messages answered."""
    tireless = draw_history(build_truth(replace(SMALL, capacity=1e9)))

    def share(log: Events, one: str, other: str) -> float:
        return float(log.of(one).sum() / log.of(other).sum())

    assert share(events, "like_read", "like") < 0.9 * share(tireless, "like_read", "like")
    assert share(events, "reply", "like_read") < share(tireless, "reply", "like_read")


def test_likes_come_as_often_as_the_truth_says(truth: Truth, events: Events) -> None:
    for surface in ("dating", "networking"):
        decided = events.of("like", surface) | events.of("pass", surface)
        a, b = events.actor[decided], events.target[decided]
        p = truth.probability(surface, a, b, day=SMALL.days // 2)
        liked = events.of("like", surface)[decided]
        for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
            here = (p >= low) & (p < high)
            spread = np.sqrt(0.25 / here.sum())
            assert liked[here].mean() == pytest.approx(p[here].mean(), abs=4 * spread + 0.02)


def test_everybody_shown_was_eligible_and_shown_once(truth: Truth, events: Events) -> None:
    for surface in ("dating", "networking"):
        seen = events.of("impression", surface)
        a, b = events.actor[seen], events.target[seen]
        assert eligible(truth.members, surface, a, b).all()
        assert len(np.unique(a * 10**6 + b)) == len(a)
        assert (truth.members.joined[b] < events.at[seen]).all()


def test_half_of_the_past_was_random_and_half_followed_popularity(truth: Truth, events: Events) -> None:
    """With no popularity at all, appeal would not raise exposure; here it does, but does not own it."""
    seen = np.bincount(events.target[events.of("impression", "dating")], minlength=len(truth.members))
    appeal = truth.members.dating.appeal
    there = truth.members.shown & (truth.members.joined < SMALL.anchor - 30 * 86_400)
    assert 0.05 < np.corrcoef(seen[there], appeal[there])[0, 1] < 0.6


def test_nobody_is_shown_after_a_block(events: Events) -> None:
    blocks = events.of("block")
    assert blocks.sum() > 3
    cards = events.of("impression", "dating") | events.of("impression", "networking")
    for a, b, at in zip(events.actor[blocks], events.target[blocks], events.at[blocks], strict=True):
        pair = ((events.actor == a) & (events.target == b)) | ((events.actor == b) & (events.target == a))
        assert not (cards & pair & (events.at > at + 86_400)).any()


def test_events_are_in_order_and_end_at_the_anchor(events: Events) -> None:
    assert np.all(np.diff(events.at) >= 0)
    assert events.at[-1] <= SMALL.anchor
    assert events.at[0] >= SMALL.anchor - 30 * 86_400


def test_a_like_is_read_after_it_was_given(events: Events) -> None:
    key = events.actor * 10**6 + events.target
    back = events.target * 10**6 + events.actor
    for surface in ("dating", "networking"):
        likes = events.of("like", surface)
        given = dict(zip(key[likes], events.at[likes], strict=True))
        reads = events.of("like_read", surface)
        assert reads.sum() > 100
        assert all(given[k] < at for k, at in zip(back[reads], events.at[reads], strict=True))


def test_members_sleep_at_night_where_they_live(truth: Truth, events: Events) -> None:
    offsets = {"los-angeles": -8, "lisbon": 0, "copenhagen": 1}  # the anchor lies in winter
    cards = events.of("impression")
    for market, city in enumerate(CITIES):
        mine = cards & (truth.members.market[events.actor] == market)
        hours = np.bincount((events.at[mine] // 3600 + offsets[city.key]) % 24, minlength=24)
        assert hours[20:23].sum() > 4 * hours[2:5].sum()
    assert HOURS[21] == HOURS.max()


def test_most_friends_are_of_one_community(truth: Truth) -> None:
    edges = build_graph(SMALL, truth.members)
    same = truth.members.community[edges.a] == truth.members.community[edges.b]
    assert 0.6 < same.mean() < 0.95
    assert np.all(edges.a < edges.b)
    referred = edges.kind == 0
    assert referred.sum() > 0.9 * len(truth.members)


def test_new_members_join_every_day(truth: Truth) -> None:
    day = (truth.members.joined - (SMALL.anchor - 30 * 86_400)) // 86_400
    assert np.all(np.bincount(day[day >= 0], minlength=30)[:30] > 0)


def test_ids_lead_back_to_their_index() -> None:
    assert index_of(member_id(SMALL, 42)) == 42
    assert index_of(place_id(SMALL, 7)) == 7


def test_truth_is_read_back_by_id(truth: Truth) -> None:
    a, b = random_eligible_pairs(truth, "dating")
    viewer, candidate = member_id(SMALL, int(a[0])), member_id(SMALL, int(b[0]))
    value = truth.like_probability("dating", viewer, candidate)
    assert value == pytest.approx(float(truth.probability("dating", a[:1], b[:1])[0]))
    assert 0 < truth.like_probability("travel", viewer, place_id(SMALL, 0)) < 1
    with pytest.raises(ValueError, match="not a surface"):
        truth.like_probability("chess", viewer, candidate)


@pytest.mark.slow
def test_the_default_world_has_about_half_a_million_events() -> None:
    assert 450_000 < len(draw_history(build_truth(World()))) < 560_000


@pytest.mark.parametrize("members", [1, 2, 40])
def test_tiny_worlds_do_not_break(members: int) -> None:
    truth = build_truth(World(members=members, places=1, days=2))
    build_graph(truth.world, truth.members)
    assert len(draw_history(truth)) < 5000
