"""A list in the making: sorted by score, and places exchanged for entries from below."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Pool
from apps.pipeline.reranking.order import Order, by_score, exchanged, generator, without
from tests.pipeline.markets import member_table


@given(st.lists(st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, -3.0]), max_size=12), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_the_highest_come_first_and_of_equals_the_lower_number(scores, seed):
    numbers = np.random.default_rng(seed).permutation(len(scores)) + 1
    table = member_table([{"number": number} for number in numbers])
    order = by_score(Pool(table, np.zeros(len(table), "u4"), score=np.array(scores, "f4")))
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], numbers[i]))
    assert order.positions.tolist() == expected
    assert order.propensity.tolist() == [1.0] * len(scores)


@given(st.integers(0, 2**62), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_random_numbers_are_those_of_philox_under_the_seed_and_the_stage(seed, stage):
    philox = np.random.Generator(np.random.Philox(key=np.array([seed, stage], "u8")))
    drawn = generator(seed, stage)
    assert drawn.random(5).tolist() == philox.random(5).tolist()
    assert drawn.permutation(20).tolist() == philox.permutation(20).tolist()


def exchanged_by_hand(order, shown, given, open_to, below, stays, comes, stays_below):
    """Column by column."""
    places, chosen = given
    positions, propensity = order.positions.copy(), order.propensity.copy()
    propensity[open_to], propensity[below] = stays, stays_below
    displaced = positions[places]
    positions[places], propensity[places] = positions[chosen], comes
    rest = without(shown, len(order), chosen)
    reserve = np.full(len(displaced), 1.0 - stays, "f4")
    return (
        np.concatenate([positions[:shown], displaced, positions[rest]]),
        np.concatenate([propensity[:shown], reserve, propensity[rest]]),
    )


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_compiled_loop_exchanges_as_column_by_column(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 30))
    shown = int(random.integers(1, n))
    order = Order(random.permutation(n), random.random(n).astype("f4"), held=np.array([0]), kept_out=1)
    open_to = np.sort(random.permutation(shown)[: random.integers(1, shown + 1)])
    below = np.sort(random.permutation(np.arange(shown, n))[: random.integers(1, n - shown + 1)])
    count = int(random.integers(0, min(len(open_to), len(below)) + 1))
    given = np.sort(random.permutation(open_to)[:count]), random.permutation(below)[:count]
    stays, comes, stays_below = random.random(3).tolist()
    found = exchanged(
        order, shown, given, open_to=open_to, below=below, stays=stays, comes=comes, stays_below=stays_below
    )
    positions, propensity = exchanged_by_hand(order, shown, given, open_to, below, stays, comes, stays_below)
    assert found.positions.tolist() == positions.tolist()
    assert found.propensity.tobytes() == propensity.tobytes()
    assert (found.held.tolist(), found.kept_out) == ([0], 1)
