"""The content tower: a fixed encoding, and columns filled by linear maps."""

import numpy as np
import pytest

from apps.pipeline.features.tower import MAPS, embed, multi_hot, profile_matrix, width
from apps.pipeline.table import DIMENSIONS
from tests.pipeline.markets import TODAY, member_table, random_members, random_places


@pytest.mark.parametrize("kind", ["member", "place"])
def test_the_encoding_has_its_width_and_ends_in_one(kind):
    table = (random_members if kind == "member" else random_places)(7, 1)
    profiles = profile_matrix(table, kind, today=TODAY)
    assert profiles.shape == (7, width(kind))
    assert profiles.dtype == np.float32
    assert np.all(profiles[:, -1] == 1)
    assert np.all(np.isfinite(profiles))


def test_bits_become_columns():
    assert multi_hot(np.array([0b101], "u8"), 4).tolist() == [[1, 0, 1, 0]]
    assert multi_hot(np.array([1 << 63], "u8"), 64)[0, 63] == 1


def test_nothing_but_the_profile_counts():
    plain, active = (
        member_table([{}]),
        member_table([{"active_hour": 5, "popularity": 9, "appeal": 3, "number": 8}]),
    )
    np.testing.assert_array_equal(
        profile_matrix(plain, "member", today=TODAY), profile_matrix(active, "member", today=TODAY)
    )


def test_members_get_what_the_maps_say():
    table = member_table([{"industries": 0b1}, {"industries": 0b10}])
    looks = np.zeros((width("member"), DIMENSIONS), "f4")
    looks[0, 0], looks[1, 1], looks[-1, 2] = 1.0, 2.0, 0.5  # industry 0, industry 1, everybody
    appeal = np.zeros(width("member"), "f4")
    appeal[-1] = -0.25
    content = {"dating.looks_weights": looks, "dating.appeal_weights": appeal}
    filled = embed(table, surface="dating", content=content, today=TODAY)
    assert filled["looks"][:, :3].tolist() == [[1.0, 0.0, 0.5], [0.0, 2.0, 0.5]]
    assert filled["appeal"].tolist() == [-0.25, -0.25]
    assert not filled["taste"].any()
    assert not embed(table, surface="networking", content=content, today=TODAY)["looks"].any()


def test_every_map_fills_a_column_of_its_table():
    for kind, table in (("member", random_members(3, 1)), ("place", random_places(3, 1))):
        content = {
            f"dating.{name}": np.ones((width(kind), *table[column].shape[1:]), "f4")
            for column, name in MAPS[kind].items()
        }
        filled = embed(table, surface="dating", content=content, today=TODAY)
        for column in MAPS[kind]:
            assert filled[column].shape == table[column].shape
            assert filled[column].dtype == np.float32
