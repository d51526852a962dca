"""What lists were made of is logged with a share of deliveries, exactly as it was served."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.test.utils import override_settings

from apps.delivery.replay import replay_delivery
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.interactions.copier import copy_all
from apps.interactions.erasure import erase_member
from apps.interactions.models import Delivery, Relationship
from apps.interactions.served import is_logged, unpack
from apps.members.services import patch_member
from apps.pipeline.features.between import BETWEEN, PairFeature
from apps.pipeline.features.registry import FEATURES, Feature
from apps.pipeline.features.sources import SOURCES
from apps.pipeline.features.taste import with_taste_of_now
from apps.pipeline.ranking.served import LIKES, LIKES_BACK, names_of
from apps.refresh.reading import served_on
from tests.delivery.conftest import number

SURFACES = {"dating": "member", "networking": "member", "travel": "place"}


@pytest.fixture
def logging_all(serving: Runtime) -> Iterator[Runtime]:
    serving.poll()
    with override_settings(SERVED_FEATURES_SHARE=1.0):
        yield serving


def delivered(surface: str = "dating", **asked: Any) -> Delivery:
    given = recommend(surface=surface, member="adam", **{"limit": 3, **asked})
    copy_all()
    return Delivery.objects.get(id=given["delivery"])


def values(row: Delivery) -> np.ndarray:
    assert row.features is not None
    return np.frombuffer(row.features, "<f4").reshape(len(row.feature_numbers), len(row.feature_names))


def decide(row: Delivery) -> None:
    """The first of the list is liked, the second passed."""
    for target, state in zip(row.candidates, ("liked", "passed"), strict=False):
        Relationship.objects.create(
            actor=row.viewer,
            target=target,
            target_kind=SURFACES[row.surface],
            surface=row.surface,
            state=state if row.surface != "travel" else "saved",
            decided_at=row.served_at + timedelta(minutes=1),
            decided_by=uuid4(),
        )


def check(row: Delivery) -> None:
    """For each declared name: as the list had it, as the row has it, and as training reads it."""
    kind = SURFACES[row.surface]
    assert tuple(row.feature_names) == names_of(kind)
    replayed = replay_delivery(row)
    assert replayed.same
    pool, request = replayed.slate.pool, with_taste_of_now(replayed.request)
    assert pool is not None
    assert pool.pairs is not None
    assert set(row.candidates) <= set(row.feature_numbers) == set(pool.table["number"].tolist())
    at = [pool.table["number"].tolist().index(one) for one in row.feature_numbers]
    logged = dict(zip(row.feature_names, values(row).T, strict=True))
    decide(row)
    read = served_on(row.surface, kind, row.served_at + timedelta(minutes=2))
    of_read = [row.feature_numbers.index(one) for one in read["target"].tolist()]
    assert set(read["target"].tolist()) == set(row.candidates[: 2 if kind == "member" else None])
    served = {name: feature.column(request, pool) for name, feature in FEATURES[kind].items()}
    declared: list[Feature | PairFeature] = list(FEATURES[kind].values())
    for before, side in zip((LIKES, LIKES_BACK), pool.pairs, strict=True):
        if side is not None:
            served |= {before + pair.name: side[pair.name] for pair in BETWEEN[kind]}
            declared += BETWEEN[kind]
    assert served.keys() == logged.keys() == read.keys() - {"actor", "target", "at"}
    for name, column in served.items():
        np.testing.assert_array_equal(logged[name], column[at], err_msg=name)
        np.testing.assert_array_equal(read[name], logged[name][of_read], err_msg=name)
    assert all(one.source in SOURCES and one.dtype == "f4" for one in declared)


def test_every_declared_feature_is_read_by_training_as_it_was_served(logging_all: Runtime) -> None:
    """Another edit after the list changes neither the row nor what training reads of it."""
    rows = [delivered(surface) for surface in SURFACES]
    for name in ("adam", "bea", "cleo"):
        patch_member(name, {"crafts": ["acting"], "interests": {"chess": 0.5}, "birth_date": "1970-01-01"})
    for row in rows:
        check(row)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 1.0])
def test_which_deliveries_are_logged_is_a_pure_share_of_their_ids(share: float) -> None:
    ids = [uuid4() for _ in range(4000)]
    with override_settings(SERVED_FEATURES_SHARE=share):
        drawn = [is_logged(one) for one in ids]
        assert drawn == [is_logged(one) for one in ids]
    assert abs(np.mean(drawn) - share) <= 5 * np.sqrt(share * (1 - share) / len(ids))


def test_the_other_deliveries_are_not_logged(serving: Runtime) -> None:
    serving.poll()
    with override_settings(SERVED_FEATURES_SHARE=0.0):
        row = delivered()
    assert (row.features, row.feature_names, row.feature_numbers) == (None, None, None)


def test_an_erasure_leaves_nothing_of_what_was_computed_of_somebody(logging_all: Runtime) -> None:
    """In a row that is stored, and in one that was on its way."""
    row, bea = delivered(), number("bea")
    on_its_way = recommend(surface="networking", member="adam", limit=3)["delivery"]
    place, before = row.feature_numbers.index(bea), values(row)
    erase_member("bea")
    row = Delivery.objects.get(id=row.id)
    others = np.arange(len(before)) != place
    np.testing.assert_array_equal(values(row)[others], before[others])
    copy_all()
    for one in (row, Delivery.objects.get(id=on_its_way)):
        assert bea not in one.feature_numbers
        assert not values(one)[one.feature_numbers.index(0)].any()


def test_bytes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match="no served features"):
        unpack(b"\x0b\0\0\0" + b'[["a"],[1]]' + b"\0" * 3)
