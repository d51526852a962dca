"""The tightest cap applies to each candidate."""

from dataclasses import replace

import numpy as np

from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.caps import caps_of
from apps.pipeline.ranking.matching import words_of, words_of_numbers
from apps.pipeline.run import run
from tests.pipeline.markets import member_table, request_for, snapshot_of
from tests.pipeline.rulebook import CHESS, CLIMBING, live, same, spec

MARKET = snapshot_of(
    member_table([{}, {"interests": CLIMBING}, {"interests": CHESS}, {"interests": CLIMBING | CHESS}, {}])
)
TABLE = MARKET.surfaces["dating"].candidates


def caps(*specs, **params):
    request = request_for(MARKET, 1, rules=live(MARKET, *specs), params=PipelineParams(**params))
    found = caps_of(request, words_of(request, TABLE), np.arange(len(TABLE)))
    return dict(zip(TABLE["number"].tolist(), found.tolist(), strict=True))


def test_without_a_rule_everybody_has_the_policys_caps():
    assert caps(daily_cap=7, hourly_cap=2) == {key: [7, 2] for key in range(1, 6)}


def test_the_tightest_of_policy_and_rules_applies():
    rules = (
        spec("climbers", "cap", candidates=0, daily=5, hourly=3),
        spec("players", "cap", candidates=1, daily=9, hourly=1),
    )
    assert caps(*rules, daily_cap=8) == {1: [8, 0], 2: [5, 3], 3: [8, 1], 4: [5, 1], 5: [8, 0]}


def test_a_cap_for_everybody_needs_no_condition():
    assert caps(spec("all", "cap", daily=4)) == {key: [4, 0] for key in range(1, 6)}


def test_numbers_nobody_knows_meet_no_condition():
    rules = live(MARKET, spec("climbers", "cap", candidates=0, daily=5))
    request = request_for(
        MARKET, 1, rules=rules, newcomers=member_table([{"number": 70, "interests": CLIMBING}])
    )
    numbers = np.array([2, 3, 70, 9999], "i4")
    found = caps_of(request, words_of_numbers(request, numbers), np.arange(4))
    assert found.tolist() == [[5, 0], [0, 0], [5, 0], [0, 0]]


def test_words_by_number_are_words_by_row():
    request = request_for(MARKET, 1, rules=live(MARKET, spec("climbers", "cap", candidates=0, daily=5)))
    assert same(words_of(request, TABLE), words_of_numbers(request, TABLE["number"]))


def test_of_whom_the_overlay_knows_better_the_masks_are_not_believed():
    changed = member_table([{"number": 3, "interests": CLIMBING}])
    rules = live(MARKET, spec("climbers", "cap", candidates=0, daily=5))
    request = request_for(MARKET, 1, rules=rules, newcomers=changed, stale=np.array([3], "i4"))
    assert caps_of(request, words_of(request, changed), np.arange(1)).tolist() == [[5, 0]]


def test_words_of_who_joined_a_market_that_was_empty():
    new = member_table([{"number": 70, "interests": CLIMBING}])
    rules = live(MARKET, spec("climbers", "cap", candidates=0, daily=5))
    assert rules.masks is not None
    rules.masks = replace(rules.masks, candidates=rules.masks.candidates[:0])
    request = request_for(MARKET, 1, rules=rules, newcomers=new)
    assert caps_of(request, words_of(request, new), np.arange(1)).tolist() == [[5, 0]]


def test_in_a_list_each_has_their_own_cap_whatever_the_order():
    """Boosts put players before climbers, whose rows come first."""
    rules = (
        spec("climbers", "cap", candidates=0, daily=5, hourly=3),
        spec("players first", candidates=1, factor=4.0),
        spec("the others last", "bury", candidates=0, factor=0.5),
    )
    slate = run(request_for(MARKET, 1, rules=live(MARKET, *rules), params=PipelineParams(daily_cap=8)))
    by_number = dict(zip(slate.numbers.tolist(), slate.caps.tolist(), strict=True))
    assert by_number == {2: [5, 3], 3: [8, 0], 4: [5, 3], 5: [8, 0]}
    assert slate.numbers.tolist() != sorted(slate.numbers.tolist())
