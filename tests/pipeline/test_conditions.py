"""Conditions on columns, by hand: what each kind of attribute means at its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.pipeline.conditions import EVERYBODY, evaluate
from tests.pipeline.markets import DAY, HOUR, people, place_table


def of_people(attribute: str, operator: str, value: Any) -> list[bool]:
    snapshot, _ = people(
        ann={"birth_date": 19960601, "joined_day": DAY - 10, "active_hour": HOUR - 2, "industries": 0b01},
        bob={"birth_date": 19960602, "joined_day": DAY - 11, "active_hour": HOUR - 3, "industries": 0b11},
        eve={"birth_date": 0, "market": 1, "joined_day": DAY, "active_hour": 0},
    )
    table = next(iter(snapshot.surfaces.values())).candidates
    return evaluate({"attribute": attribute, "operator": operator, "value": value}, table, snapshot).tolist()


@pytest.mark.parametrize(
    ("attribute", "operator", "value", "expected"),
    [
        ("age", "at_least", 30, [True, False, False]),  # ann turned 30 today; eve's age is not known
        ("age", "at_most", 30, [True, True, False]),
        ("days_since_joined", "at_most", 10, [True, False, True]),
        ("hours_since_active", "at_most", 2, [True, False, False]),  # eve was never active
        ("hours_since_active", "at_least", 0, [True, True, False]),
        ("market", "is", "rome", [False, False, True]),
        ("market", "is_not", "rome", [True, True, False]),
        ("market", "is_not", "oslo", [True, True, True]),
        ("market", "in", ["rome", "paris"], [True, True, True]),
        ("industries", "has_any", ["music", "fashion"], [False, True, False]),
        ("industries", "has_all", ["film", "music"], [False, True, False]),
        ("industries", "has_all", ["film", "mining"], [False, False, False]),
        ("industries", "has_none", ["music"], [True, False, True]),
    ],
)
def test_what_an_attribute_of_members_means(attribute, operator, value, expected):
    assert of_people(attribute, operator, value) == expected


@pytest.mark.parametrize(
    ("attribute", "operator", "value", "expected"),
    [
        ("category", "is", "museum", [False, True]),
        ("tags", "has_any", ["rooftop"], [True, False]),
        ("price_band", "at_most", 4, [True, False]),  # the second one's is not known
        ("popularity", "at_least", 12, [True, False]),
        ("popularity", "at_least", 13, [False, False]),
        ("curated", "is", True, [True, False]),
        ("is_open", "is", False, [False, True]),
    ],
)
def test_what_an_attribute_of_places_means(attribute, operator, value, expected):
    table = place_table(
        [
            {
                "category": 0,
                "tags": 1,
                "price_band": 3,
                "popularity": np.log1p(12.0),
                "curated": 0.5,
                "is_open": 1,
            },
            {"category": 1, "tags": 2, "price_band": 0, "popularity": 0.0, "curated": 0.0, "is_open": 0},
        ]
    )
    snapshot, _ = people(ann={})
    found = evaluate({"attribute": attribute, "operator": operator, "value": value}, table, snapshot)
    assert found.tolist() == expected


def test_everybody_is_everybody_and_an_empty_table_is_nobody():
    snapshot, _ = people(ann={}, bob={})
    table = next(iter(snapshot.surfaces.values())).candidates
    assert evaluate(EVERYBODY, table, snapshot).tolist() == [True, True]
    assert evaluate(EVERYBODY, table.gather(np.zeros(0, "i4")), snapshot).tolist() == []
