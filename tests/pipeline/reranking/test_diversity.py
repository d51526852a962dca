"""Diversity spreads those who are alike; nobody is lost or doubled."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.diversity import ATTRIBUTES, HEAD, diversify
from apps.pipeline.reranking.order import by_score
from tests.pipeline.markets import (
    member_table,
    people,
    place_table,
    random_members,
    request_for,
    vector,
)

SNAPSHOT, _ = people(ann={})


def numbers(rerank, table, scores, **params):
    pool = Pool(table, np.zeros(len(table), "u4"), score=np.array(scores, "f4"))
    limit = params.pop("limit", 10)
    request = request_for(SNAPSHOT, 1, params=PipelineParams(**params), limit=limit)
    return pool.table["number"][rerank(request, pool, by_score(pool)).positions].tolist()


def test_the_twin_of_the_first_gives_way():
    twins = [{"looks": vector(1.0)}, {"looks": vector(2.0)}, {"looks": vector(0.0, 1.0)}]
    table = member_table(twins)
    assert numbers(diversify, table, [1.0, 0.9, 0.8], diversity=0.0) == [1, 2, 3]
    # relevance 1, 1/2, 0; the twin's likeness is 1/2: (1-d)/2 - d/2 < 0 once d > 1/2
    assert numbers(diversify, table, [1.0, 0.9, 0.8], diversity=0.4) == [1, 2, 3]
    assert numbers(diversify, table, [1.0, 0.9, 0.8], diversity=0.6) == [1, 3, 2]


def test_common_attributes_are_alike_without_any_embedding():
    # to the first the second is alike by (2/3) / 2, the third by nothing: 1/2 (1-d) < d/3 once d > 0.6
    table = member_table([{"industries": 1, "interests": 1}, {"industries": 1, "interests": 3}, {}])
    assert numbers(diversify, table, [1.0, 0.5, 0.0], diversity=0.55) == [1, 2, 3]
    assert numbers(diversify, table, [1.0, 0.5, 0.0], diversity=0.65) == [1, 3, 2]


def test_a_category_is_an_attribute_that_places_have_in_common():
    # to the first the second is alike by (1/2) / 2, the third by nothing: 1/2 (1-d) < d/4 once d > 2/3
    table = place_table([{"category": 1, "tags": 1}, {"category": 1}, {}])
    assert numbers(diversify, table, [1.0, 0.5, 0.0], diversity=0.6) == [1, 2, 3]
    assert numbers(diversify, table, [1.0, 0.5, 0.0], diversity=0.7) == [1, 3, 2]


def test_equal_scores_are_equally_relevant():
    twins = member_table([{"looks": vector(1.0)}, {"looks": vector(1.0)}, {"looks": vector(0.0, 1.0)}])
    assert numbers(diversify, twins, [0.7, 0.7, 0.7], diversity=0.01) == [1, 3, 2]


def relevance(scores):
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.zeros(len(scores))


def directions(table):
    vectors = np.where(np.isfinite(table["looks"]), table["looks"], 0.0).astype("f8")
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None]


def common(table):
    """Jaccard index of all attribute bits together; 0 when neither has any."""
    sets = [table[name] for name in ATTRIBUTES[table.kind]]
    both = sum(np.bitwise_count(bits[:, None] & bits[None, :]).astype("f8") for bits in sets)
    count = sum(np.bitwise_count(bits).astype("f8") for bits in sets)
    if table.kind == "place":
        both += table["category"][:, None] == table["category"][None, :]
        count += 1
    return both / np.maximum(count[:, None] + count[None, :] - both, 1.0)


def slow_order(scores, table, share):
    """Maximal marginal relevance, one by one, as in its paper."""
    unit = directions(table)
    alike = (np.clip(unit @ unit.T, 0, 1) + common(table)) / 2
    rest, chosen = list(range(len(scores))), []
    while rest:
        values = [
            (1 - share) * relevance(scores)[i] - share * max([alike[i, j] for j in chosen], default=0)
            for i in rest
        ]
        chosen.append(rest.pop(int(np.argmax(values))))
    return chosen


def many(kind, n, seed):
    """With sets of up to 64 bits, vectors that are nobody's, and numbers that are none."""
    random = np.random.default_rng(seed)
    table = random_members(n, seed) if kind == "member" else place_table([{}] * n)
    for name in ATTRIBUTES[kind]:
        table.columns[name][:] = random.integers(0, 2**64, n, "u8") & random.integers(0, 2**64, n, "u8")
    if kind == "place":
        table.columns["category"][:] = random.integers(0, 4, n)
    table.columns["looks"][:] = random.normal(0, 0.4, table["looks"].shape)
    table.columns["looks"][random.integers(0, n, 2)] = 0.0
    table.columns["looks"][random.integers(0, n), 3] = random.choice([np.nan, np.inf, -np.inf])
    return table


@given(st.sampled_from(["member", "place"]), st.integers(0, 1000), st.floats(0.05, 1))
@settings(max_examples=60, deadline=None)
def test_the_compiled_loop_is_the_papers(kind, seed, share):
    table = many(kind, 25, seed)
    scores = np.sort(np.random.default_rng(seed).random(25).astype("f4"))[::-1].copy()
    expected = table["number"][slow_order(scores, table, share)].tolist()
    assert numbers(diversify, table, scores, diversity=share, limit=25) == expected


def test_below_the_head_nobody_moves():
    table = random_members(HEAD + 30, 4)
    scores = np.linspace(1, 0, HEAD + 30)
    before, after = table["number"].tolist(), numbers(diversify, table, scores, diversity=0.9, limit=60)
    assert after[HEAD:] == before[HEAD:]
    assert sorted(after) == sorted(before)
    assert after[:HEAD] != before[:HEAD]
