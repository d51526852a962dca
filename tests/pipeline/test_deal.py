"""The compiled pass against the plain hashes and choices."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from apps.common.hashing import bucket
from apps.experiments.assignment import Layer, layer_place, layer_seed, variation
from apps.pipeline.deal import Deal, dealt, pack

IDS = st.text(max_size=64)
NOTHING_MET = np.zeros(0, "u8")


@given(st.lists(st.text(max_size=40), max_size=8), IDS)
def test_every_place_is_that_of_the_plain_hash(salts, value):
    deck = pack([Deal(salt, [], layer=layer_seed(salt)) for salt in salts])
    plain = [[bucket(salt, value), layer_place(salt, value)] for salt in salts]
    assert dealt(deck, value, met=NOTHING_MET)[1:].T.tolist() == plain


PARTS = st.lists(st.floats(0, 1), min_size=2, max_size=6).map(
    lambda cuts: list(zip(*ends(cuts), strict=True))
)


def ends(cuts: list[float]) -> tuple[list[float], list[float]]:
    cuts = sorted(cuts)
    return cuts[:-1], cuts[1:]


DEALS = st.builds(
    Deal,
    seed=st.text(max_size=8),
    ranges=PARTS,
    layer=st.sampled_from(["", "__one", "__other"]),
    within=st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)),
    conditions=st.integers(0, 2**70),
    by_market=st.booleans(),
)


@given(st.lists(DEALS, max_size=6), IDS, st.sampled_from(["", "paris", "rome"]), st.integers(0, 2**80))
def test_whoever_is_dealt_falls_into_the_part_that_the_plain_choice_says(deals, viewer, market, met):
    words = np.frombuffer(met.to_bytes(16, "little"), "<u8")
    plain = []
    for deal in deals:
        value, name = (market if deal.by_market else viewer), deal.layer.removeprefix("__")
        layer = Layer(name, *deal.within) if deal.layer else Layer("", 0.0, 1.0)
        part = variation(value, seed=deal.seed, ranges=deal.ranges, layer=layer)
        if not deal.layer and not deal.within[0] <= 0.0 < deal.within[1]:
            part = -1
        is_met = not deal.conditions or bool(deal.conditions & met)
        plain.append(part if is_met and not (deal.by_market and not market) else -1)
    assert dealt(pack(deals), viewer, market=market, met=words)[0].tolist() == plain
