"""Training rows are what was known when a pair was decided: logged features first, else profiles of then."""

import numpy as np
import pytest

from apps.learning.as_of import LONGEST, Earlier, Past, ServedPairs
from apps.learning.decisions import decisions_of
from apps.learning.members import learn_members
from apps.learning.places import learn_places
from apps.learning.representation import with_columns
from apps.pipeline.features.between import BETWEEN
from apps.pipeline.ranking.predictions import both_ways
from apps.pipeline.ranking.served import LIKES, LIKES_BACK
from apps.pipeline.table import Table, table_from_columns
from apps.pipeline.vocabulary import partner_masks
from tests.learning.worlds import DAY, NOW, TODAY, two_camps
from tests.pipeline.markets import VOCABULARY, random_members

PARTNERS = partner_masks(VOCABULARY["crafts"])
NAMES = [feature.name for feature in BETWEEN["member"]]
ROWS = np.arange(20)


def edited() -> tuple[Past, Past]:
    """Twenty members: the first ten edited at 1,000, the first again at 2,000; and as they were before."""
    before, today = random_members(20, 1), random_members(20, 2)
    today = with_columns(today, {"number": before["number"]})
    middle = with_columns(random_members(20, 3), {"number": before["number"]})
    table = before.gather(ROWS[:10]).concat(middle.gather(ROWS[:1]))
    until = np.append(np.full(10, 1000), 2000)
    until[0] = 1000
    earlier = Earlier(table, np.append(ROWS[:10], 0).astype("i4"), until.astype("i8"))
    past = Past(today.concat(table), today.concat(table), (20, 20), (earlier, earlier), partners=PARTNERS)
    return past, Past.of(before, before, PARTNERS)


def expected(sources, targets, source, target):
    return both_ways(
        sources.gather(np.array([source])),
        targets.gather(np.array([target])),
        kind="member",
        partners=PARTNERS,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("at", "version"), [(999, "before"), (1000, "middle"), (1999, "middle"), (2000, "today")]
)
def test_every_pair_feature_is_of_the_profile_of_that_moment(name, at, version):
    past, _ = edited()
    forward, backward = past.features(decisions_of([0], [15], [True], [at]))
    first = {"before": random_members(20, 1), "middle": random_members(20, 3), "today": random_members(20, 2)}
    today = random_members(20, 2)
    asked = expected(first[version], today, 0, 15)
    for found, wanted in zip((forward, backward), asked, strict=True):
        assert found is not None
        np.testing.assert_array_equal(found[name], wanted[name])


def test_who_never_edited_is_who_they_are():
    past, _ = edited()
    some = decisions_of(ROWS[10:], ROWS[10:][::-1], np.ones(10), np.arange(10) * 300)
    plain = Past.of(random_members(20, 2), random_members(20, 2), PARTNERS)
    for found, wanted in zip(past.features(some), plain.features(some), strict=True):
        assert found is not None
        assert wanted is not None
        for name in NAMES:
            np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_served_stands_in_place_of_what_is_joined(name):
    past, _ = edited()
    served = ServedPairs(
        np.array([3, 4, 5, 6], "i4"),
        np.array([7, 7, 7, 7], "i4"),
        np.array([500, 500, 501, 500 - LONGEST - 1], "i8"),  # 5: after the decision; 6: too long before it
        {LIKES + name: np.array([9.0, np.nan, 9.0, 9.0], "f4"), LIKES_BACK + name: np.full(4, 8.0, "f4")},
    )
    some = decisions_of([3, 4, 5, 6, 7], [7, 7, 7, 7, 3], np.ones(5), np.full(5, 500))
    joined, found = past.features(some), served.over(past.features(some), some)
    assert found[1] is not None
    assert joined[1] is not None
    assert found[0][name].tolist() == [9.0, *joined[0][name][1:].tolist()]  # 4: its build did not log it
    assert found[1][name].tolist() == [8.0, 8.0, *joined[1][name][2:].tolist()]
    others = [other for other in NAMES if other != name]
    for other in others:
        np.testing.assert_array_equal(found[0][other], joined[0][other])


def test_an_edit_today_changes_nothing_that_is_learnt_of_pairs_decided_before():
    """Everybody swaps crafts after the last decision: with the profiles of then, the same models but for what
    the present profiles say of members."""
    table, decisions, _ = two_camps(n=200, each=30)
    crafts = np.array(table["crafts"])
    partners = np.array([2, 1] + [0] * 62, "u8")  # each craft completes the other
    swapped = with_columns(table, {"crafts": 3 - crafts})
    earlier = Earlier(table, np.arange(200, dtype="i4"), np.full(200, int(NOW), "i8"))
    half = with_columns(table, {"crafts": np.where(np.arange(200) % 2, crafts, 3 - crafts)})
    of_half = Earlier(
        table.gather(np.arange(0, 200, 2)), np.arange(0, 200, 2, dtype="i4"), np.full(100, int(NOW), "i8")
    )
    models = [
        learn_members(one, decisions, now=NOW, today=TODAY, partners=partners, before=before).models["like"]
        for one, before in ((table, Earlier()), (half, of_half), (swapped, earlier))
    ]
    plain = learn_members(half, decisions, now=NOW, today=TODAY, partners=partners).models["like"]
    weight = models[0]["weights"]["complementary_crafts"]
    assert weight < -0.2  # others' crafts complete theirs: not their camp
    for model in models[1:]:
        assert model["weights"]["complementary_crafts"] == pytest.approx(weight, rel=0.25)
    assert abs(plain["weights"]["complementary_crafts"]) < abs(weight) / 2  # today's half edits hide it


def test_a_place_is_what_it_was_when_it_was_saved() -> None:
    """The dear were saved; then prices were shuffled. Of places as they were, the price still says so."""
    rng = np.random.default_rng(3)
    viewers, places = 150, 80
    price = rng.integers(1, 5, places)
    source, target = np.nonzero(rng.random((viewers, places)) < 0.03 * price[None, :] ** 2)
    saves = decisions_of(source, target, np.ones(len(source)), NOW - rng.random(len(source)) * 30 * DAY)
    numbers = {"number": np.arange(1, places + 1), "market": 0}
    then = table_from_columns("place", {**numbers, "price_band": price}, places)
    today = table_from_columns("place", {**numbers, "price_band": rng.permutation(price)}, places)
    edited = Earlier(then, np.arange(places, dtype="i4"), np.full(places, int(NOW), "i8"))

    def weight(table: Table, before: Earlier) -> float:
        learnt = learn_places(
            table, table_from_columns("member", {"number": np.arange(1, viewers + 1)}, viewers), saves,
            shown=decisions_of([], [], []), popularity=np.zeros(places), today=TODAY,
            before=(Earlier(), before),
        )  # fmt: skip
        return float(learnt.models["like"]["weights"]["price_band"])

    unedited = weight(then, Earlier())
    assert abs(weight(today, edited) - unedited) < 0.5 * abs(weight(today, Earlier()) - unedited)


def test_nothing_is_kept_of_nobody():
    nobody = table_from_columns("member", {}, 0)
    forward, backward = Past.of(nobody, nobody).features(decisions_of([], [], []))
    assert all(len(column) == 0 for column in (*forward.values(), *(backward or {}).values()))
