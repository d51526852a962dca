"""What is said of a candidate, and what never is."""

from dataclasses import replace

import numpy as np

from apps.pipeline.reranking.reasons import MOST, REASON_CODES, reasons_of
from apps.pipeline.run import run
from tests.pipeline.markets import (
    DAY,
    member_table,
    place_table,
    random_members,
    request_for,
    snapshot_of,
)

ANN = {"industries": 0b011, "crafts": 0b0001, "skills": 0b01, "interests": 0b110}


def said(candidate, *, surface="dating", edges=(), **request):
    table = member_table([ANN, candidate, {}, {}])
    asked = request_for(snapshot_of(table, surface=surface, edges=edges), 1, **request)
    return reasons_of(asked, table.gather(np.array([1])))[0]


def test_what_both_share_is_said_by_its_name():
    assert said({"industries": 0b110, "x": 9000}) == (("same_industry", "music"),)
    assert said({"interests": 0b101, "x": 9000}) == (("shared_interest", "wine"),)
    assert said({"crafts": 0b0010, "x": 9000}, surface="networking") == (
        ("complementary_crafts", "directing"),
    )
    assert said({"skills": 0b11}, surface="networking") == (("shared_skill", "french"),)


def test_mutual_connections_are_counted_over_visible_edges():
    edges = [(1, 3), (2, 3), (1, 4), (2, 4)]
    assert said({"x": 9000}, edges=edges) == (("mutual_connections", "2"),)
    assert said({"x": 9000}, edges=[(1, 3), (2, 4)]) == ()


def test_a_newcomer_joined_within_two_weeks():
    assert said({"joined_day": DAY - 13, "x": 9000}) == (("newcomer", ""),)
    assert said({"joined_day": DAY - 14, "x": 9000}) == ()


def test_distance_is_a_bucket_and_silent_away_from_home():
    assert said({"x": 499}) == (("distance", "5"),)
    assert said({"x": 501}) == (("distance", "10"),)
    assert said({"x": 4999}) == (("distance", "50"),)
    assert said({"x": 5001}) == ()
    assert said({"x": 100}, market=1) == ()


def test_the_first_three_are_said():
    everything = {"industries": 1, "interests": 0b10, "joined_day": DAY}
    found = said(everything, edges=[(1, 3), (2, 3)])
    assert [code for code, _ in found] == ["mutual_connections", "shared_interest", "same_industry"]
    assert len(found) == MOST


def test_taste_is_said_only_where_it_fits_and_nothing_else_can_be():
    like = np.eye(1, 32)[0]
    far = {"x": 9000, "y": 9000, "joined_day": DAY - 900}
    table = member_table(
        [
            {"taste": like},
            {"looks": like, **far},
            {"looks": -like, **far},
            {"looks": like, **far, "industries": 1},
        ]
    )
    viewer = member_table([{"taste": like, "industries": 1}])
    asked = request_for(snapshot_of(table), 1)
    asked = replace(asked, viewer=replace(asked.viewer, row=viewer))
    codes = [[code for code, _ in reasons] for reasons in reasons_of(asked, table)[1:]]
    assert codes == [["taste"], [], ["same_industry"]]


def test_places_name_friends_only_from_two():
    places = place_table([{"curated": 0.5, "category": 1, "x": 100}, {"category": 9, "x": 9000}])
    asked = lambda saves: request_for(  # noqa: E731
        snapshot_of(places, surface="travel", viewers=member_table([{}]), saves=saves), 1
    )
    one, two = asked([(1, 1)]), asked([(1, 1), (1, 1)])
    assert reasons_of(one, places) == ((("curated", ""), ("category", "museum"), ("nearby", "5")), ())
    assert reasons_of(two, places)[0][0] == ("friends_saved", "2")


def test_a_like_or_a_gender_is_never_given_away():
    table = random_members(200, 1, market=0, birth_date=19900101)
    snapshot = snapshot_of(table)
    likers = table["number"][:100]
    with_likes = run(request_for(snapshot, 7, liked_by=likers, limit=200))
    without = run(request_for(snapshot, 7, limit=200))
    told = dict(zip(with_likes.numbers.tolist(), with_likes.reasons, strict=True))
    plain = dict(zip(without.numbers.tolist(), without.reasons, strict=True))
    assert {n: told[n] for n in plain if n in told} == {n: plain[n] for n in plain if n in told}
    assert {code for reasons in with_likes.reasons for code, _ in reasons} <= set(REASON_CODES)
    assert not any(word in code for code in REASON_CODES for word in ("like", "gender", "seek", "age"))
