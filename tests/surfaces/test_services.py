"""The door through which markets come."""

import pytest
from django.core.exceptions import ValidationError

from apps.surfaces.models import Market
from apps.surfaces.services import ensure_market


@pytest.mark.parametrize("zone", ["", "Lisbon", "UTC+1", "europe/lisbon"])
def test_a_market_must_say_a_time_zone_that_there_is(db: None, zone: str) -> None:
    with pytest.raises(ValidationError) as error:
        ensure_market("lisbon", "Lisbon", 38.72, -9.15, timezone=zone)
    assert list(error.value.message_dict) == ["timezone"]
    assert not Market.objects.filter(key="lisbon").exists()


def test_a_market_that_is_there_stays_as_staff_left_it(db: None) -> None:
    made = ensure_market("lisbon", "Lisbon", 38.72, -9.15, timezone="Europe/Lisbon")
    again = ensure_market("lisbon", "Lisboa", 0.0, 0.0)
    assert (again.pk, again.name, again.timezone) == (made.pk, "Lisbon", "Europe/Lisbon")
