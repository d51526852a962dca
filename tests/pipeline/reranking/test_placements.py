"""Slots, shares and pins: which places of a list they give, by hand on ten candidates and as properties."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.matching import words_of
from apps.pipeline.reranking import arrange, placements
from apps.pipeline.reranking.exploration import explore
from apps.pipeline.reranking.order import by_score
from apps.pipeline.run import run
from tests.pipeline.markets import member_table, request_for, snapshot_of
from tests.pipeline.rulebook import CHESS, CLIMBING, live, spec


def market(climbers=(), players=(), n=10):
    """The viewer is 1; candidates are 2 .. n + 1, each better than the next."""
    interests = [CLIMBING * (i in climbers) | CHESS * (i in players) for i in range(1, n + 2)]
    snapshot = snapshot_of(member_table([{"interests": bits} for bits in interests]))
    table = snapshot.surfaces["dating"].candidates
    table = table.gather(np.flatnonzero(table["number"] > 1))
    return snapshot, Pool(table, np.zeros(n, "u4"), score=-table["number"].astype("f4"))


def placed(*specs, climbers=(), players=(), limit=5, n=10, stage=placements.place, **params):
    """The order of numbers, and its parts."""
    snapshot, pool = market(climbers, players, n)
    rules = live(snapshot, *specs)
    request = request_for(snapshot, 1, rules=rules, limit=limit, params=PipelineParams(**params))
    pool = replace(pool, words=words_of(request, pool.table))
    order = placements.place(request, pool, by_score(pool))
    if stage is explore:
        order = explore(request, pool, order)
    return pool.table["number"][order.positions].tolist(), order


def test_a_slot_goes_to_the_best_who_meets_the_rule_and_the_others_move_down():
    numbers, order = placed(spec("r", candidates=0, slots=(2, 4)), climbers=(8, 9, 10))
    assert numbers == [2, 8, 3, 9, 4, 5, 6, 7, 10, 11]
    assert order.held.tolist() == [1, 3]


def test_a_slot_is_left_to_who_meets_the_rule_and_stands_there():
    assert placed(spec("r", candidates=0, slots=(2,)), climbers=(3, 9))[0] == list(range(2, 12))


def test_who_stands_above_a_slot_is_not_moved_down_to_it():
    numbers, _ = placed(spec("r", candidates=0, slots=(3,)), climbers=(2, 7))
    assert numbers[:5] == [2, 3, 7, 4, 5]


def test_a_slot_nobody_can_fill_or_beyond_the_list_changes_nothing():
    assert placed(spec("r", candidates=0, slots=(2,)))[0] == list(range(2, 12))
    assert placed(spec("r", candidates=0, slots=(6,)), climbers=(11,))[0] == list(range(2, 12))


def test_a_share_brings_up_the_missing_spread_evenly():
    """0.5 of 10 is 5; one is there, so 4 of the 9 free places are given: after 1, 3, 5 and 7."""
    climbers = (2, 14, 15, 16, 17, 18)
    numbers, order = placed(spec("r", candidates=0, share=0.5), climbers=climbers, limit=10, n=20)
    assert numbers[:10] == [2, 3, 14, 4, 15, 5, 16, 6, 17, 7]
    assert order.held.tolist() == [0, 2, 4, 6, 8]


def test_a_share_that_is_there_moves_nobody():
    assert placed(spec("r", candidates=0, share=0.4), climbers=(2, 5, 9))[0] == list(range(2, 12))


def test_a_share_of_three_tenths_of_ten_is_three():
    numbers, _ = placed(spec("r", candidates=0, share=0.3), climbers=range(12, 20), limit=10, n=20)
    assert sum(number >= 12 for number in numbers[:10]) == 3


def test_a_bury_leaves_at_most_its_share():
    """0.4 of 5 is 2: the best two climbers stay, the others come after everybody else."""
    numbers, order = placed(spec("r", "bury", candidates=0, share=0.4), climbers=(2, 3, 4, 5, 6))
    assert numbers == [2, 3, 7, 8, 9, 10, 11, 4, 5, 6]
    assert order.kept_out == 3


def test_a_bury_is_no_filter_when_nobody_else_is_left():
    numbers, _ = placed(spec("r", "bury", candidates=0, share=0.0), climbers=(2, 3, 4), n=4, limit=4)
    assert numbers == [5, 2, 3, 4]


def test_a_pin_stands_at_its_position_and_wins_over_slots():
    rules = (
        spec("slot", candidates=0, slots=(2,), priority=1),
        spec("pin", "pin", pins=(9, 99, 7), position=2),
    )
    numbers, _ = placed(*rules, climbers=(6,))
    assert numbers[:5] == [2, 9, 7, 3, 4]


def test_pins_of_two_rules_stand_by_priority():
    rules = (spec("b", "pin", pins=(8,), priority=2), spec("a", "pin", pins=(9, 8), priority=1))
    assert placed(*rules)[0][:3] == [9, 8, 2]


def test_the_rule_of_higher_priority_has_the_slot():
    both = (spec("a", candidates=0, slots=(1,), priority=2), spec("b", candidates=1, slots=(1,), priority=1))
    assert placed(*both, climbers=(5,), players=(6,))[0][0] == 6


def test_exploration_neither_takes_a_given_place_nor_brings_up_who_is_kept_out():
    rules = (
        spec("slot", candidates=0, slots=(1, 3)),
        spec("bury", "bury", candidates=1, share=0.0),
    )
    for seed in range(40):
        numbers, order = placed(*rules, climbers=(8, 9), players=(10, 11), stage=explore, exploration=1.0)
        assert (numbers[0], numbers[2]) == (8, 9), seed
        assert not {10, 11} & set(numbers[:5])
        assert order.propensity[[0, 2]].tolist() == [1.0, 1.0]


def test_the_list_of_a_whole_request_keeps_its_share():
    members = [{"price": i / 100, "interests": CLIMBING * (i > 30)} for i in range(60)]
    snapshot = snapshot_of(member_table(members))
    rules = live(snapshot, spec("r", candidates=0, share=0.25))
    params = PipelineParams(diversity=0.5, exploration=0.5)
    for seed in range(20):
        slate = run(request_for(snapshot, 1, rules=rules, params=params, limit=20, seed=seed))
        assert sum(number > 31 for number in slate.numbers[:20].tolist()) >= 5


def test_the_kinds_are_those_of_the_compiled_loop():
    assert (placements.SLOTS, placements.AT_LEAST, placements.AT_MOST) == (
        arrange.SLOTS,
        arrange.AT_LEAST,
        arrange.AT_MOST,
    )


N = 14
one_rule = st.one_of(
    st.builds(
        lambda c, s, p: spec(f"s{p}{s}", candidates=c, slots=tuple(s), priority=p),
        st.integers(-1, 1),
        st.lists(st.integers(0, 20), max_size=4),
        st.integers(1, 9),
    ),
    st.builds(
        lambda c, s, p, kind: spec(f"h{p}{s}{kind}", kind, candidates=c, share=s, priority=p),
        st.integers(-1, 1),
        st.floats(0, 1),
        st.integers(1, 9),
        st.sampled_from(["boost", "bury"]),
    ),
    st.builds(
        lambda pins, at, p: spec(f"p{p}{pins}", "pin", pins=tuple(pins), position=at, priority=p),
        st.lists(st.integers(0, N + 3), max_size=5),
        st.integers(1, 20),
        st.integers(1, 9),
    ),
)
who = st.sets(st.integers(2, N + 1))


@given(
    st.lists(one_rule, max_size=6, unique_by=lambda r: r.key), who, who, st.integers(0, N), st.integers(0, 20)
)
@settings(max_examples=200, deadline=None)
def test_whatever_rules_say_a_list_is_the_same_people_in_another_order(rules, climbers, players, n, limit):
    numbers, order = placed(*rules, climbers=climbers, players=players, n=n, limit=limit)
    assert sorted(numbers) == list(range(2, n + 2))
    assert np.all(order.propensity == 1)
    assert 0 <= order.kept_out <= n
    assert len(set(order.held.tolist())) == len(order.held) <= min(limit, n)
    again, _ = placed(*rules, climbers=climbers, players=players, n=n, limit=limit)
    assert again == numbers


@given(who, st.floats(0, 0.5), st.integers(1, N))
@settings(max_examples=200, deadline=None)
def test_one_share_is_kept_whenever_enough_people_meet_it(climbers, share, limit):
    numbers, _ = placed(spec("r", candidates=0, share=share), climbers=climbers, limit=limit, n=N)
    there = len(climbers & set(numbers[:limit]))
    assert there >= min(len(climbers), share * limit - 1e-6)
    stayed = [number for number in numbers[:limit] if number not in climbers]
    assert stayed == sorted(stayed)  # the others keep their order


@given(who, st.floats(0, 1), st.integers(1, N))
@settings(max_examples=200, deadline=None)
def test_one_bury_is_kept_whenever_others_can_fill_the_list(climbers, share, limit):
    numbers, _ = placed(spec("r", "bury", candidates=0, share=share), climbers=climbers, limit=limit, n=N)
    there = len(climbers & set(numbers[:limit]))
    others = N - len(climbers)
    assert there <= max(share * limit + 1e-6, limit - others)


def plainly(rules, climbers, players, n, places):
    """The numbers as written: the whole list is laid out anew after every rule that changed it."""
    everybody, line = range(2, n + 2), list(range(2, n + 2))
    at: dict[int, int] = {}
    out: set[int] = set()

    def meets(rule, number):
        return rule.candidates < 0 or number in (climbers, players)[rule.candidates]

    def laid_out():
        rest = [one for one in everybody if one not in at.values()]
        rest = [one for one in rest if one not in out] + [one for one in rest if one in out]
        return [at[i] if i in at else rest.pop(0) for i in range(places)] + rest

    rules = sorted(rules, key=lambda rule: (rule.priority, rule.key))
    for rule in (rule for rule in rules if rule.kind == "pin"):
        place = max(rule.position, 1) - 1
        for number in rule.pins:
            while place < places and place in at:
                place += 1
            if place < places and number in everybody and number not in at.values():
                at[place] = number
    line = laid_out()
    for rule in (rule for rule in rules if rule.kind != "pin"):
        if rule.share >= 0 and rule.kind == "boost":
            wanted, there = int(np.ceil(rule.share * places - 1e-9)), 0
            for i in range(places):
                if meets(rule, line[i]) and there < wanted:
                    at[i] = line[i]
                    there += 1
            below = [x for x in line[places:] if meets(rule, x) and x not in at.values() and x not in out]
            free = [i for i in range(places) if i not in at]
            missing = max(min(wanted - there, len(free), len(below)), 0)
            for k in range(missing):
                at[free[int((k + 0.5) * len(free) / missing)]] = below[k]
            line = laid_out()
        elif rule.share >= 0:
            most = int(np.floor(rule.share * places + 1e-9))
            there = sum(meets(rule, number) for number in at.values())
            for number in everybody:
                if meets(rule, number) and number not in at.values() and number not in out:
                    out |= {number} if there >= most else set()
                    there += 1
            line = laid_out()
        for i in (slot - 1 for slot in rule.slots if 1 <= slot <= places and slot - 1 not in at):
            may = [x for x in line[i + 1 :] if meets(rule, x) and x not in at.values() and x not in out]
            if meets(rule, line[i]) or may:
                at[i] = line[i] if meets(rule, line[i]) else may[0]
                line = laid_out()
    return line


@given(
    st.lists(one_rule, max_size=6, unique_by=lambda r: r.key), who, who, st.integers(0, N), st.integers(0, 20)
)
@settings(max_examples=300, deadline=None)
def test_places_are_given_as_the_rules_are_written(rules, climbers, players, n, limit):
    numbers, _ = placed(*rules, climbers=climbers, players=players, n=n, limit=limit)
    places = min(limit, n)
    assert numbers == (plainly(rules, climbers, players, n, places) if places else [*range(2, n + 2)])
