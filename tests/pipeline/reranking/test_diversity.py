"""Diversity spreads those who are alike; nobody is lost or doubled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool
from apps.pipeline.params import PipelineParams
from apps.pipeline.reranking.diversity import HEAD, common, directions, diversify, relevance
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
    table = member_table([{"industries": 1, "interests": 1}, {"industries": 1, "interests": 3}, {}])
    assert common(table)[0].tolist() == pytest.approx([1.0, 2 / 3, 0.0])
    assert directions(table).tolist() == np.zeros((3, 32)).tolist()
    assert common(place_table([{"category": 1, "tags": 1}, {"category": 1}, {}]))[0].tolist() == [
        1.0,
        0.5,
        0.0,
    ]


def test_equal_scores_are_equally_relevant():
    assert relevance(np.full(3, 0.7, "f4")).tolist() == [0, 0, 0]


def slow_order(scores, table, share):
    """Maximal marginal relevance, one by one, as in its paper."""
    unit = directions(table).astype("f8")
    alike = (np.clip(unit @ unit.T, 0, 1) + common(table)) / 2
    rest, chosen = list(range(len(scores))), []
    while rest:
        values = [
            (1 - share) * relevance(scores)[i] - share * max([alike[i, j] for j in chosen], default=0)
            for i in rest
        ]
        chosen.append(rest.pop(int(np.argmax(values))))
    return chosen


@given(st.integers(0, 1000), st.floats(0.05, 1))
@settings(max_examples=30, deadline=None)
def test_the_compiled_loop_is_the_papers(seed, share):
    table = random_members(25, seed)
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
