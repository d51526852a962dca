"""Making the change that explain names lets the candidate pass that rule."""

import numpy as np
import pytest

from apps.pipeline.filters.changes import change_for
from tests.pipeline.markets import MAN, WOMAN, people, request_for


@pytest.mark.parametrize(
    ("rule", "viewer", "candidate", "change"),
    [
        ("age_range_of_viewer", {"age_max": 25}, {}, ("viewer", "age_max", 25, 30)),
        ("age_range_of_candidate", {}, {"age_min": 33}, ("candidate", "age_min", 33, 30)),
        ("distance_of_viewer", {"max_distance": 3}, {"x": 400, "y": 301}, ("viewer", "max_distance", 3, 6)),
        (
            "distance_of_candidate",
            {},
            {"x": 300, "y": 400, "max_distance": 4},
            ("candidate", "max_distance", 4, 5),
        ),
        (
            "gender_sought_by_viewer",
            {"seeking": MAN},
            {"gender": WOMAN},
            ("viewer", "seeking", ("man",), ("woman", "man")),
        ),
        (
            "intents",
            {"intents": 1},
            {"intents": 2 | 4},
            ("viewer", "intents", ("long_term",), ("long_term", "short_term")),
        ),
        ("other_market", {}, {"market": 1}, ("viewer", "market", "paris", "rome")),
    ],
)
def test_the_smallest_change_is_named(rule, viewer, candidate, change):
    snapshot, _ = people(viewer=viewer, candidate=candidate)
    request = request_for(snapshot, 1)
    row = request.data.candidates.gather(request.data.row_of[[2]])
    assert change_for(rule, request, row) == dict(zip(("of", "field", "from", "to"), change, strict=True))


@pytest.mark.parametrize("rule", ["self", "gone", "excluded", "not_adult"])
def test_no_setting_helps_against_a_fact(rule):
    snapshot, _ = people(viewer={}, candidate={})
    request = request_for(snapshot, 1)
    assert change_for(rule, request, request.data.candidates.gather(np.array([1]))) is None
