"""The one place that reads the clock, so that tests can move it and services can be given a time."""

from datetime import UTC, date, datetime, timedelta

APART = timedelta(seconds=1)  # clocks that differ by less go the same
NOTHING = timedelta(0)


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The current date in UTC."""
    return now().date()


def behind(theirs: datetime, *, asked_at: datetime, answered_at: datetime) -> timedelta:
    """How far this process's clock is behind another's that said `theirs` between the two moments here.

    The least that explains what was said, and nothing for clocks that go the same.
    """
    least, most = theirs - answered_at, theirs - asked_at
    if least > APART:
        return least
    return most if most < -APART else NOTHING
