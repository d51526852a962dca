"""How far two clocks are apart, from what one says while the other looks."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.common.clock import behind

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("theirs", "took", "expected"),
    [
        (0.0, 0.0, 0.0),
        (0.9, 0.0, 0.0),  # as good as the same
        (7200.0, 0.0, 7200.0),
        (-7200.0, 0.0, -7200.0),
        (7200.0, 5.0, 7195.0),  # it may have been said at the end
        (-7200.0, 5.0, -7200.0),  # or at the beginning
        (3.0, 5.0, 0.0),  # while it was asked
    ],
)
def test_a_clock_is_behind_by_the_least_that_explains_what_another_says(
    theirs: float, took: float, expected: float
) -> None:
    said, end = NOON + timedelta(seconds=theirs), NOON + timedelta(seconds=took)
    assert behind(said, asked_at=NOON, answered_at=end).total_seconds() == expected
