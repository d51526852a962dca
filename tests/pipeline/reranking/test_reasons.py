"""What is said of a candidate, and what never is."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool
from apps.pipeline.features import pairs, registry
from apps.pipeline.filters.eligibility import market_of
from apps.pipeline.reranking import telling
from apps.pipeline.reranking.reasons import DISTANCES, IN_ORDER, MOST, REASON_CODES, UNSAID, Said, reasons_of
from apps.pipeline.run import run
from apps.pipeline.vocabulary import partner_masks
from tests.pipeline.markets import (
    DAY,
    VOCABULARY,
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
    return reasons_of(asked, table, np.array([1]))[0]


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
    codes = [[code for code, _ in reasons] for reasons in reasons_of(asked, table, np.arange(1, 4))]
    assert codes == [["taste"], [], ["same_industry"]]


def test_places_name_friends_only_from_two():
    places = place_table([{"curated": 0.5, "category": 1, "x": 100}, {"category": 9, "x": 9000}])
    asked = lambda saves: request_for(  # noqa: E731
        snapshot_of(places, surface="travel", viewers=member_table([{}]), saves=saves), 1
    )
    one, two = asked([(1, 1)]), asked([(1, 1), (1, 1)])
    both = np.arange(2)
    assert reasons_of(one, places, both) == ((("curated", ""), ("category", "museum"), ("nearby", "5")), ())
    assert reasons_of(two, places, both)[0][0] == ("friends_saved", "2")


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


def first_word(mask, words):
    bits = [bit for bit in range(64) if int(mask) >> bit & 1]
    return words[bits[0]] if bits and bits[0] < len(words) else None


def column_by_column(request, table):
    """What is said of everybody: of each code all arguments, then the first of each row that are there."""
    viewer, words, pool = request.viewer.row, request.snapshot.vocabulary, Pool(table, np.zeros(len(table)))
    away = market_of(request) != viewer["market"][0] or pairs.is_visiting(viewer)[0]
    near = np.where(
        pairs.is_visiting(table) & (table.kind == "member"), np.inf, pairs.kilometres(viewer, table)
    )
    bucket = np.searchsorted(np.array(DISTANCES, "f4"), np.full(len(table), np.inf) if away else near)
    near = [[*map(str, DISTANCES), None][b] for b in bucket]
    if table.kind == "place":
        saved, named = registry.friends_saved_counts(request, pool), words.get("categories", ())
        said = {
            "friends_saved": [str(int(count)) if count >= 2 else None for count in saved],
            "curated": ["" if value > 0 else None for value in table["curated"]],
            "in_season": [
                "" if months >> 6 & 1 else None for months in table["best_months"].tolist()
            ],  # June
            "category": [named[c] if c < len(named) else None for c in table["category"]],
            "nearby": near,
        }
    else:
        needed = pairs.partners_of(viewer["crafts"], partner_masks(words.get("crafts", ())))
        sets = {
            "complementary_crafts": ("crafts", needed),
            "shared_interest": ("interests", viewer["interests"]),
            "same_industry": ("industries", viewer["industries"]),
            "shared_skill": ("skills", viewer["skills"]),
        }
        said = {
            code: [first_word(mask, words.get(name, ())) for mask in theirs & table[name]]
            for code, (name, theirs) in sets.items()
        }
        counts = registry.mutual_counts(request, pool)
        said["mutual_connections"] = [str(int(count)) if count >= 1 else None for count in counts]
        said["newcomer"] = ["" if day > DAY - registry.NEWCOMER_DAYS else None for day in table["joined_day"]]
        said["distance"] = near
    fits = pairs.dots(viewer["taste"], table["looks"]) > 0
    codes = [code for code in IN_ORDER[table.kind] if code not in UNSAID.get(request.data.eligibility, ())]
    found = [[(c, said[c][i]) for c in codes if said[c][i] is not None][:MOST] for i in range(len(table))]
    return tuple(
        tuple(one) or ((("taste", ""),) if fit else ()) for one, fit in zip(found, fits, strict=True)
    )


vocabularies = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([(), words[:1], words]) for name, words in VOCABULARY.items()}
)


@given(st.integers(0, 10**6), st.sampled_from(["dating", "networking"]), vocabularies, st.integers(-1, 1))
@settings(max_examples=60, deadline=None)
def test_the_compiled_pass_says_of_members_what_is_said_column_by_column(seed, surface, vocabulary, market):
    random = np.random.default_rng(seed)
    n = 40
    at = {name: random.choice([0, 1, 1, 300, -499, 500, 501, 4999, -5001], n) for name in "xy"}
    table = random_members(n, seed, market=random.integers(0, 2, n), **at)
    edges = {
        tuple(sorted(pair)) for pair in random.integers(1, n + 1, (60, 2)).tolist() if pair[0] != pair[1]
    }
    snapshot = replace(snapshot_of(table, surface=surface, edges=sorted(edges)), vocabulary=vocabulary)
    request, rows = request_for(snapshot, 1, market=market), random.permutation(n)[:25]
    expected = column_by_column(request, table)
    assert reasons_of(request, table, rows) == tuple(expected[row] for row in rows)


@given(st.integers(0, 10**6), vocabularies)
@settings(max_examples=40, deadline=None)
def test_the_compiled_pass_says_of_places_what_is_said_column_by_column(seed, vocabulary):
    random = np.random.default_rng(seed)
    n = 30
    places = [
        {
            "market": int(random.integers(0, 2)),
            "x": int(random.choice([0, 1, 499, 501, 9000])),
            "y": int(random.choice([0, 1, 5000])),
            "category": int(random.choice([0, 1, 2, 255])),
            "curated": float(random.choice([0, 0.5])),
            "best_months": int(random.choice([0, 1 << 6, 1 << 7])),
            "looks": random.normal(0, 1, 32),
        }
        for _ in range(n)
    ]
    saves = random.integers(1, [3, n + 1], (80, 2)).tolist()
    viewers = member_table([{"taste": random.normal(0, 1, 32)}])
    made = snapshot_of(
        place_table(places), surface="travel", viewers=viewers, saves=[tuple(pair) for pair in saves]
    )
    request, table = request_for(replace(made, vocabulary=vocabulary), 1), made.surfaces["travel"].candidates
    rows = random.permutation(n)[:20]
    expected = column_by_column(request, table)
    assert reasons_of(request, table, rows) == tuple(expected[row] for row in rows)


def test_the_pass_knows_where_visitors_stand_and_how_much_is_said():
    assert (telling.MIDDLE_X, telling.MIDDLE_Y) == pairs.MIDDLE
    assert telling.MOST == MOST
    assert telling.BITS * MOST < 64
    assert (max(map(len, IN_ORDER.values())) + 2) * telling.ARGUMENTS <= 1 << telling.BITS


def test_what_was_put_into_words_is_forgotten_before_it_is_too_much(monkeypatch):
    monkeypatch.setattr("apps.pipeline.reranking.reasons.MOST_KEPT", 3)
    said = Said("place", {"categories": ("bar", "museum")})
    curated, bar = 2 * telling.ARGUMENTS, 4 * telling.ARGUMENTS
    expected = [(("category", "bar"),), (("category", "museum"),), (("curated", ""), ("category", "bar")), ()]
    numbers = [bar, bar + 1, curated + (bar << telling.BITS), 0]
    for _ in range(2):
        assert [said[number] for number in numbers] == expected
    assert len(said) <= 3
