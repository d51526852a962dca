"""Each rule on a market of two: the viewer, and one candidate who is just inside or just outside."""

import numpy as np
import pytest

from apps.pipeline.filters import eligibility
from apps.pipeline.filters.rules import ELIGIBILITY, RULES
from apps.pipeline.retrieval.eligible import find_eligible
from tests.pipeline.markets import MAN, WOMAN, member_table, people, place_table, request_for, snapshot_of

REASON = {rule.code: rule.name for rule in RULES} | {0: "eligible"}


def reason(viewer, candidate, *, surface="dating", **request):
    """Why the viewer may not see the candidate; both the table's reason and the pass over the market must
    agree."""
    snapshot, _ = people(surface=surface, viewer=viewer, candidate=candidate)
    asked = request_for(snapshot, 1, **request)
    table = asked.data.candidates
    found = table["number"][find_eligible(asked)[0].rows]
    code = eligibility.reasons(asked, table.gather(asked.data.row_of[[2]]))[0]
    if "market" not in candidate:
        assert (2 in found) == (code == 0)
    return REASON[code]


def test_two_adults_open_to_each_other_are_eligible():
    assert reason({}, {}) == "eligible"


def test_nobody_is_shown_to_themselves():
    snapshot, _ = people(viewer={}, candidate={})
    request = request_for(snapshot, 1)
    assert request.data.candidates["number"][find_eligible(request)[0].rows].tolist() == [2]


@pytest.mark.parametrize(
    ("born", "why"),
    [(20080601, "eligible"), (20080602, "not_adult"), (0, "not_adult"), (20270101, "not_adult")],
)
@pytest.mark.parametrize("surface", ["dating", "networking"])
def test_eighteen_today_is_adult_and_eighteen_tomorrow_is_not(born, why, surface):
    assert reason({}, {"birth_date": born}, surface=surface) == why
    assert reason({"birth_date": born}, {}, surface=surface) == why


def test_a_viewer_under_age_gets_no_places_either():
    viewers = member_table([{"birth_date": 20080602}, {}])
    snapshot = snapshot_of(place_table([{}]), surface="travel", viewers=viewers)
    assert len(find_eligible(request_for(snapshot, 1))[0]) == 0
    assert len(find_eligible(request_for(snapshot, 2))[0]) == 1


@pytest.mark.parametrize(
    ("viewer", "candidate", "why"),
    [
        ({"gender": WOMAN, "seeking": MAN}, {"gender": MAN, "seeking": WOMAN}, "eligible"),
        ({"gender": WOMAN, "seeking": MAN}, {"gender": WOMAN, "seeking": WOMAN}, "gender_sought_by_viewer"),
        ({"gender": WOMAN, "seeking": MAN}, {"gender": MAN, "seeking": MAN}, "gender_sought_by_candidate"),
        ({"gender": 0}, {}, "gender_sought_by_candidate"),
        ({"seeking": 0}, {}, "gender_sought_by_viewer"),
    ],
)
def test_each_looks_for_the_others_gender(viewer, candidate, why):
    assert reason(viewer, candidate) == why
    assert reason(viewer, candidate, surface="networking") == "eligible"


@pytest.mark.parametrize(
    ("lowest", "highest", "inside"), [(30, 30, True), (31, 40, False), (18, 29, False), (18, 30, True)]
)
def test_both_ages_are_within_the_others_range(lowest, highest, inside):
    ranges = {"age_min": lowest, "age_max": highest}
    assert reason(ranges, {}) == ("eligible" if inside else "age_range_of_viewer")
    assert reason({}, ranges) == ("eligible" if inside else "age_range_of_candidate")
    assert reason(ranges, ranges, surface="networking") == "eligible"


def test_an_age_counts_to_the_day():
    thirty_until_today = {"birth_date": 19950602}
    assert reason({"age_max": 30}, thirty_until_today) == "eligible"
    assert reason({"age_max": 30}, {"birth_date": 19950601}) == "age_range_of_viewer"


@pytest.mark.parametrize(
    ("viewer", "candidate", "surface", "why"),
    [
        (0b0001, 0b0011, "dating", "eligible"),
        (0b0001, 0b0010, "dating", "intents"),
        (0b1_0000, 0b1_0000, "dating", "intents"),
        (0b1_0000, 0b1_0000, "networking", "eligible"),
        (0b0001, 0b0001, "networking", "intents"),
        (0, 0xFFFF, "dating", "intents"),
    ],
)
def test_an_intent_that_counts_here_is_shared(viewer, candidate, surface, why):
    assert reason({"intents": viewer}, {"intents": candidate}, surface=surface) == why


@pytest.mark.parametrize(
    ("limit", "x", "y", "inside"),
    [
        (5, 300, 400, True),  # 3 km east, 4 km north: exactly 5
        (5, 300, 401, False),
        (0, 32767, 32767, True),
        (65535, -32768, -32768, True),
    ],
)
@pytest.mark.parametrize("surface", ["dating", "networking"])
def test_nobody_is_further_away_than_either_accepts(limit, x, y, inside, surface):
    there = {"x": x, "y": y}
    of_viewer = reason({"max_distance": limit}, there, surface=surface)
    of_candidate = reason({}, {**there, "max_distance": limit}, surface=surface)
    assert of_viewer == ("eligible" if inside else "distance_of_viewer")
    assert of_candidate == ("eligible" if inside else "distance_of_candidate")


def test_distance_counts_only_at_home():
    snapshot, _ = people(viewer={"max_distance": 5}, candidate={"market": 1, "x": 9000, "max_distance": 5})
    request = request_for(snapshot, 1, market=1)
    assert request.data.candidates["number"][find_eligible(request)[0].rows].tolist() == [2]


def test_only_the_market_that_the_viewer_draws_from_is_shown():
    assert reason({}, {"market": 1}) == "other_market"
    assert reason({}, {"market": 1}, market=1) == "eligible"
    assert reason({"market": -1}, {"market": -1}) == "other_market"


def test_excluded_and_gone_are_not_shown():
    assert reason({}, {}, excluded=[2]) == "excluded"
    assert reason({}, {}, gone=[2]) == "gone"
    assert reason({}, {}, excluded=[2], gone=[2]) == "gone"
    assert reason({}, {}, excluded=[-5, 1, 3, 2_000_000_000]) == "eligible"


def test_a_closed_place_is_not_shown():
    snapshot = snapshot_of(
        place_table([{}, {"is_open": 0}, {"market": 1}]), surface="travel", viewers=member_table([{}])
    )
    request = request_for(snapshot, 1)
    reasons = eligibility.reasons(request, place_table([{}, {"is_open": 0}, {"market": 1}]))
    assert [REASON[code] for code in reasons] == ["eligible", "closed", "other_market"]
    assert find_eligible(request)[0].rows.tolist() == [0]


def test_a_place_is_not_taken_for_the_viewer_of_the_same_number():
    snapshot = snapshot_of(place_table([{}]), surface="travel", viewers=member_table([{}]))
    assert find_eligible(request_for(snapshot, 1))[0].rows.tolist() == [0]


def test_every_set_excludes_and_knows_adults_and_markets():
    for rules in ELIGIBILITY.values():
        assert {"excluded", "gone", "not_adult", "other_market"} <= set(rules.rules)


def test_a_market_beyond_the_snapshot_is_empty():
    snapshot, _ = people(viewer={}, candidate={})
    assert find_eligible(request_for(snapshot, 1, market=9))[0].rows.tolist() == []
    assert np.array_equal(eligibility.first_reason(np.array([0, 2, 12, 1 << 13], "i4")), [0, 1, 2, 13])
