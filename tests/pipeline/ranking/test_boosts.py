"""Boosts and buries by factor: what they do to Phi, and when they do nothing at all."""

from dataclasses import replace

import numpy as np
import pytest

from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking import boosts
from apps.pipeline.run import explain, run
from tests.pipeline.markets import NOW, member_table, random_members, request_for, snapshot_of
from tests.pipeline.rulebook import CHESS, CLIMBING, HOUR, live, same, spec

MARKET = snapshot_of(
    member_table(
        [
            {"industries": 1},
            {"interests": CLIMBING},
            {"interests": CHESS},
            {"interests": CLIMBING | CHESS},
            {},
        ]
    )
)
EVEN = PipelineParams(disabled_stages=frozenset({"predictions"}))  # p = q = 0.5, and so is Phi
VIEWER, CLIMBER, PLAYER, BOTH, NEITHER = 1, 2, 3, 4, 5


def scores(*specs, snapshot=MARKET, viewer=VIEWER, params=None, **more):
    """Score by number."""
    rules = live(snapshot, *specs, viewer=viewer, **more)
    slate = run(request_for(snapshot, viewer, rules=rules, params=params or EVEN))
    return dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True))


PLAIN = scores()


def test_a_boost_multiplies_phi_of_whom_it_is_about():
    assert dict.fromkeys((CLIMBER, PLAYER, BOTH, NEITHER), 0.5) == PLAIN
    found = scores(spec("climbers", candidates=0, factor=1.5))
    assert found == {CLIMBER: 0.75, BOTH: 0.75, PLAYER: 0.5, NEITHER: 0.5}


def test_a_bury_lowers_and_both_multiply():
    found = scores(
        spec("climbers", candidates=0, factor=3.0), spec("players", "bury", candidates=1, factor=0.5)
    )
    assert found == {CLIMBER: 1.5, BOTH: 0.75, PLAYER: 0.25, NEITHER: 0.5}


@pytest.mark.parametrize(("factor", "product"), [(4.0, 4.0), (0.1, 0.1)])
def test_the_product_of_many_rules_is_bounded(factor, product):
    rules = [spec(f"r{i}", "boost" if factor > 1 else "bury", factor=factor) for i in range(5)]
    assert scores(*rules) == pytest.approx(dict.fromkeys(PLAIN, 0.5 * product))


def test_the_price_is_subtracted_after_the_factor():
    table = member_table([{}, {"interests": CLIMBING, "price": 0.2}])
    found = scores(spec("climbers", candidates=0, factor=2.0), snapshot=snapshot_of(table))
    assert found == pytest.approx({2: 0.5 * 2 - 0.2})


def test_a_rule_about_the_viewers_leaves_others_alone():
    rule = spec("for film", viewers=0, candidates=0, factor=2.0)
    assert scores(rule)[CLIMBER] == 1.0
    assert scores(rule, viewer=NEITHER)[CLIMBER] == 0.5


DEAD = {
    "expired": {"starts_at": NOW - 2 * HOUR, "ends_at": NOW},
    "not begun": {"starts_at": NOW + 0.001},
    "matches nobody": {"candidates": 1},
}


def market_at_random():
    return snapshot_of(random_members(300, 1, interests=0, market=0, birth_date=19900101))


@pytest.mark.parametrize("why", DEAD)
def test_a_boost_without_effect_leaves_scores_bit_for_bit(why):
    """The names of the three: expired, not begun, no match."""
    snapshot = market_at_random()
    params = PipelineParams(diversity=0.4, weights={"closeness": 0.1})
    before = run(request_for(snapshot, 7, params=params))
    rules = live(snapshot, spec("dead", factor=3.7, **DEAD[why]), viewer=7)
    after = run(request_for(snapshot, 7, params=params, rules=rules))
    assert same(before.numbers, after.numbers)
    assert same(before.scores, after.scores)
    assert same(before.propensity, after.propensity)


def test_expired_boost_leaves_score_unchanged():
    assert scores(spec("r", factor=2.0, ends_at=NOW)) == PLAIN


def test_a_boost_ends_by_itself():
    rule = spec("r", factor=2.0, ends_at=NOW + 10)
    assert scores(rule, now=NOW + 9.999)[CLIMBER] == 1.0
    assert scores(rule, now=NOW + 10) == PLAIN


def test_a_killed_boost_leaves_score_unchanged():
    rules = (spec("killed", factor=2.0), spec("alive", candidates=0, factor=1.5))
    found = scores(*rules, dead=frozenset({"killed"}))
    assert found == {CLIMBER: 0.75, BOTH: 0.75, PLAYER: 0.5, NEITHER: 0.5}


def test_a_filter_always_wins_over_a_boost():
    table = member_table([{}, {"interests": CLIMBING, "birth_date": 20100101}, {"interests": CLIMBING}, {}])
    rules = (
        spec("boost", candidates=0, factor=4.0, slots=(1, 2)),
        spec("pin", "pin", pins=(2, 3)),
        spec("share", candidates=0, share=0.5),
    )
    snapshot = snapshot_of(table)
    slate = run(request_for(snapshot, 1, rules=live(snapshot, *rules), excluded=[3]))
    assert slate.numbers.tolist() == [4]


def test_a_viewer_of_the_hold_out_gets_no_rule_but_caps():
    params = PipelineParams(random_order=True, daily_cap=9)
    rules = live(
        MARKET,
        spec("pin", "pin", pins=(BOTH,)),
        spec("boost", factor=4.0),
        spec("cap", "cap", candidates=0, daily=2),
        only_caps=True,
    )
    assert [one.key for one in rules.specs] == ["cap"]
    orders = set()
    for seed in range(300):
        slate = run(request_for(MARKET, VIEWER, rules=rules, params=params, seed=seed))
        orders.add(tuple(slate.numbers.tolist()))
        caps = dict(zip(slate.numbers.tolist(), slate.caps.tolist(), strict=True))
        assert caps == {CLIMBER: [2, 0], BOTH: [2, 0], PLAYER: [9, 0], NEITHER: [9, 0]}
    assert len(orders) == 24


def test_conditions_evaluated_on_the_spot_give_what_masks_give():
    snapshot = snapshot_of(random_members(200, 5, market=0, birth_date=19900101))
    rules = [spec(f"r{i}", candidates=i % 2, factor=1.1 + i / 10) for i in range(3)]
    asked = {
        masks: request_for(snapshot, 9, rules=live(snapshot, *rules, viewer=9, masks=masks))
        for masks in (0, 1)
    }
    assert same(run(asked[0]).scores, run(asked[1]).scores)
    assert run(asked[0]).trace.as_json() == run(asked[1]).trace.as_json()


def test_newcomers_meet_rules_too():
    fresh = member_table([{"number": 900, "interests": CLIMBING}, {"number": 800}])
    rules = live(MARKET, spec("climbers", candidates=0, factor=2.0))
    slate = run(request_for(MARKET, VIEWER, rules=rules, newcomers=fresh))
    found = dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True))
    assert found[900] == pytest.approx(2 * found[800])
    known = replace(rules, newcomers=np.array([[1], [0]], "u8"))
    again = run(request_for(MARKET, VIEWER, rules=known, newcomers=fresh))
    assert same(again.scores, slate.scores)


def test_rules_of_the_last_bit_and_of_a_second_word_count():
    conditions = [{"any": []}] * 63 + [
        {"all": []},
        {"attribute": "interests", "operator": "has_any", "value": ["chess"]},
    ]
    from apps.pipeline.masks import build_masks
    from apps.pipeline.rules import SurfaceRules, live_rules

    rules = SurfaceRules(
        (
            spec("a", candidates=62, factor=4.0),
            spec("b", candidates=63, factor=2.0),
            spec("c", candidates=64, factor=1.5),
        ),
        candidate_conditions=tuple(conditions),
    )
    masks = build_masks(MARKET, "dating", rules)
    assert masks.candidates.shape == (5, 2)
    ready = live_rules(rules, met=np.zeros(0, "u8"), now=NOW, masks=masks)
    slate = run(request_for(MARKET, VIEWER, rules=ready, params=EVEN))
    found = dict(zip(slate.numbers.tolist(), slate.scores.tolist(), strict=True))
    assert found == {CLIMBER: 1.0, PLAYER: 1.5, BOTH: 1.5, NEITHER: 1.0}


def test_the_same_rules_begin_end_and_are_switched_off_in_any_order():
    from apps.pipeline.rules import SurfaceRules, live_rules

    early, late = spec("early", factor=2.0), spec("late", "cap", daily=3)
    early, late = replace(early, starts_at=10.0, ends_at=30.0), replace(late, starts_at=20.0, ends_at=40.0)
    rules = SurfaceRules((early, late))

    def keys(now: float, dead: str = "", **of) -> list[str]:
        found = live_rules(rules, met=np.zeros(0, "u8"), now=now, dead=frozenset([dead]), **of)
        assert found.have("rules") == bool(found.specs)
        assert found.have("multiply") == (early in found.specs)
        return [one.key for one in found.specs]

    assert [keys(now) for now in (9.9, 10.0, 20.0, 30.0, 40.0)] == [
        [], ["early"], ["early", "late"], ["late"], [],
    ]  # fmt: skip
    assert [keys(now) for now in (25.0, 15.0, 35.0, 5.0)] == [["early", "late"], ["early"], ["late"], []]
    assert (keys(25.0, "early"), keys(25.0, "late"), keys(25.0)) == (["late"], ["early"], ["early", "late"])
    assert (keys(25.0, only_caps=True), keys(25.0, "late", only_caps=True)) == (["late"], [])


def test_a_rule_that_names_no_condition_of_the_surface_is_refused():
    from apps.pipeline.rules import SurfaceRules

    with pytest.raises(ValueError, match="condition 3"):
        SurfaceRules((spec("r", candidates=3),), candidate_conditions=({"all": []},))


def test_the_trace_counts_whom_each_rule_is_about_and_who_is_shown():
    rules = live(
        MARKET,
        spec("climbers", candidates=0, factor=2.0),
        spec("players", candidates=1, factor=1.1),
        spec("pin", "pin", pins=(NEITHER, 99), position=2),
    )
    slate = run(request_for(MARKET, VIEWER, rules=rules, limit=2))
    assert slate.numbers.tolist()[:2] == [BOTH, NEITHER]
    stage = next(stage for stage in slate.trace.as_json() if stage["stage"] == "rules")
    about, shown = (stage["rules"][column] for column in ("pool", "shown"))
    keys = [spec.key for spec in rules.rules.in_order]
    assert set(zip(keys, about, shown, strict=True)) == {
        ("climbers", 2, 1),
        ("players", 2, 1),
        ("pin", 1, 1),
    }


def test_the_waterfall_names_each_multiplier_and_adds_up():
    table = member_table([{}, {"interests": CLIMBING | CHESS, "price": 0.05, "x": 100}, {}])
    snapshot = snapshot_of(table)
    rules = live(
        snapshot,
        spec("second", candidates=1, factor=1.5, priority=20),
        spec("first", "bury", candidates=0, factor=0.5, priority=10),
        spec("slot", candidates=0, slots=(3,)),
        spec("cap", "cap", candidates=0, hourly=3),
    )
    params = PipelineParams(weights={"closeness": 0.1}, daily_cap=8)
    told = explain(request_for(snapshot, 1, rules=rules, params=params), 2).waterfall
    assert [(step["rule"], step["factor"]) for step in told["rules"]] == [("first", 0.5), ("second", 1.5)]
    assert told["multiplier"] == pytest.approx(0.75)
    assert told["caps"] == {"daily": 8, "hourly": 3}
    assert [place["rule"] for place in told["places"]] == ["slot"]
    adjustments = sum(feature["contribution"] for feature in told["features"].values())
    assert told["phi"] * told["multiplier"] + adjustments - told["price"] == pytest.approx(told["score"])


def test_the_bounds_are_those_of_the_written_order():
    assert (boosts.LOWEST, boosts.HIGHEST) == (0.1, 4.0)
