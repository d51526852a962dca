"""Delivery ids can be told from invented ones, and one viewer's from another's, without a look-up."""

from typing import Any
from uuid import RFC_4122, UUID, uuid4

from apps.interactions.delivery_ids import belongs_to, new_delivery_id


def test_an_id_belongs_to_its_viewer_and_nobody_else() -> None:
    delivery = new_delivery_id(7)
    assert belongs_to(delivery, 7)
    assert not any(belongs_to(delivery, viewer) for viewer in range(8, 1000))


def test_it_is_a_uuid_of_version_8_that_sorts_by_time() -> None:
    ids = [new_delivery_id(1) for _ in range(100)]
    assert {(i.version, i.variant) for i in ids} == {(8, RFC_4122)}
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)
    assert len(set(ids)) == 100


def test_a_changed_or_invented_id_belongs_to_nobody() -> None:
    delivery = new_delivery_id(7)
    for bit in range(128):
        assert not belongs_to(UUID(int=delivery.int ^ 1 << bit), 7)
    assert not any(belongs_to(uuid4(), 7) for _ in range(1000))


def test_another_secret_knows_none_of_them(settings: Any) -> None:
    delivery = new_delivery_id(7)
    settings.SECRET_KEY = "another-" * 8
    assert not belongs_to(delivery, 7)
