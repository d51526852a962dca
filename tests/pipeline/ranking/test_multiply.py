"""The passes over rules and candidates against plain numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.pipeline.ranking import multiply
from apps.pipeline.rules import CONDITION, DAILY, FACTOR, HOURLY, RuleSpec, SurfaceRules

CONDITIONS = 70  # more than one word holds
NOTHING = {"any": []}
RULES = st.one_of(
    st.builds(dict, kind=st.sampled_from(["boost", "bury"]), factor=st.sampled_from([0.5, 1.0, 1.3, 4.0])),
    st.builds(dict, kind=st.just("cap"), daily=st.integers(0, 9), hourly=st.integers(0, 3)),
    st.builds(dict, kind=st.just("floor")),
)
DRAWS = st.tuples(
    st.lists(st.tuples(RULES, st.integers(-1, CONDITIONS - 1)), min_size=1, max_size=8), st.integers(0, 600)
)


def drawn(draw, seed):
    """Rules, which of them are live, [rules, n] who meets each, and the words of the n candidates."""
    rules, n = draw
    specs = [RuleSpec(f"r{i}", viewers=-1, candidates=c, starts_at=0.0, ends_at=1.0, priority=i, **of)
             for i, (of, c) in enumerate(rules)]  # fmt: skip
    book = SurfaceRules(tuple(specs), candidate_conditions=(NOTHING,) * CONDITIONS).book
    random = np.random.default_rng(seed)
    words = random.integers(0, 2**64, (2, n), "u8")
    ones = (words[:, None, :] >> np.arange(64, dtype="u8")[None, :, None]).reshape(128, n)
    bits, everybody = (ones & np.uint64(1)) == 1, np.ones(n, "?")
    met = np.array([everybody if c < 0 else bits[c] for _, c in rules], "?")
    return book, random.random(len(specs)) < 0.7, met, words


@given(DRAWS, st.integers(0, 99))
def test_factors_are_multiplied_and_candidates_counted_as_numpy_does(draw, seed):
    book, live, met, words = drawn(draw, seed)
    n = words.shape[1]
    product, about = np.empty(n), np.empty(len(live), "i8")
    multiply.weigh(words, live, book, 0.1, 4.0, product, about)
    assert about.tolist() == (met.sum(axis=1) * live).tolist()
    factors = np.where(met & live[:, None], book[FACTOR][:, None], 1.0)
    assert np.allclose(product, np.clip(factors.prod(axis=0), 0.1, 4.0), rtol=1e-12)

    masks, rows = np.ascontiguousarray(words.T), np.arange(n, dtype="i4")[::-1].copy()
    gathered, again, counted = np.empty_like(words), np.empty(n), np.empty(len(live), "i8")
    weighs = live, book, 0.1, 4.0
    assert multiply.gather_and_weigh(masks, rows, *weighs, gathered, again, counted) == 0
    assert np.array_equal(gathered, words[:, ::-1])
    assert np.array_equal(again, product[::-1])
    assert counted.tolist() == about.tolist()
    stranger = np.append(rows, np.int32(-1))
    wider = np.empty((2, n + 1), "u8"), np.empty(n + 1), counted
    assert multiply.gather_and_weigh(masks, stranger, *weighs, *wider) == 1
    assert np.array_equal(wider[0], np.append(words[:, ::-1], np.zeros((2, 1), "u8"), axis=1))


@given(DRAWS, st.integers(0, 99))
def test_the_tightest_cap_counts_and_who_is_shown_is_counted_as_numpy_does(draw, seed):
    book, live, met, words = drawn(draw, seed)
    n = words.shape[1]
    rows = np.random.default_rng(seed).permutation(n)[:60]
    shown = min(len(rows), 20)
    caps, there = np.tile(np.array([7, 0], "i4"), (len(rows), 1)), np.empty(len(live), "i8")
    multiply.look_at(words, rows, shown, live, book, caps, there)
    assert there.tolist() == (met[:, rows[:shown]].sum(axis=1) * live).tolist()
    for k, (kind, start) in enumerate([(DAILY, 7), (HOURLY, 0)]):
        limits = np.where(
            met[:, rows] & live[:, None] & (book[kind] > 0)[:, None], book[kind][:, None], np.inf
        )
        tightest = np.minimum(limits.min(axis=0, initial=np.inf), start or np.inf)
        assert caps[:, k].tolist() == np.where(np.isfinite(tightest), tightest, 0).tolist()


def test_the_rows_of_the_book_are_those_of_the_compiled_loops():
    assert (CONDITION, FACTOR, DAILY) == (multiply.CONDITION, multiply.FACTOR, multiply.DAILY)
