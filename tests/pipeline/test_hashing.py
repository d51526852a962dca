"""The compiled hashes against their plain form."""

from hypothesis import given
from hypothesis import strategies as st

from apps.common.hashing import bucket
from apps.experiments.assignment import layer_place, layer_seed
from apps.pipeline.hashing import pack, places


@given(st.lists(st.text(max_size=40), max_size=8), st.text(max_size=64))
def test_every_place_is_that_of_the_plain_hash(salts, value):
    seeds = pack([(salt, 2) for salt in salts] + [(layer_seed(salt), 1) for salt in salts])
    plain = [bucket(salt, value) for salt in salts] + [layer_place(salt, value) for salt in salts]
    assert places(seeds, value).tolist() == plain
