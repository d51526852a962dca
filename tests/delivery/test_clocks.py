"""Processes whose clocks are hours off: caps, holds and exposures are counted by Postgres's."""

from datetime import datetime, timedelta

import pytest
import time_machine

from apps.common import clock
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.interactions.copier import copy_all
from apps.interactions.exposures import release_due
from apps.interactions.models import Delivery
from tests.delivery.conftest import number
from tests.delivery.publishing import publish, with_rules
from tests.delivery.test_services import names
from tests.interactions.grants import HOLD, counted
from tests.interactions.world import event, send

BEHIND = clock.behind  # which the suite takes away
OFF = pytest.mark.parametrize("off", [timedelta(hours=-2), timedelta(hours=2)], ids=["behind", "ahead"])


@pytest.fixture
def now(serving: Runtime, monkeypatch: pytest.MonkeyPatch) -> datetime:
    publish(serving, with_rules(daily_cap=1, hourly_cap=0, hold_minutes=HOLD // 60))
    monkeypatch.setattr(clock, "behind", BEHIND)
    return clock.now()


def shown(viewer: str = "adam") -> int:
    """The one whom a list shows."""
    (one,) = names(recommend(surface="dating", member=viewer, limit=1))
    return number(one)


@OFF
def test_what_a_web_process_grants_by_a_clock_that_is_off_waits_as_long_as_any(
    serving: Runtime, now: datetime, off: timedelta
) -> None:
    with time_machine.travel(now + off):
        serving.poll()
        one = shown()
    assert release_due(["dating"]) == 0
    assert release_due(["dating"], now=now + timedelta(seconds=HOLD - 1)) == 0
    assert counted(one) == 1
    assert release_due(["dating"], now=now + timedelta(seconds=HOLD + 60)) == 1
    copy_all()
    assert abs(Delivery.objects.get().served_at - now) < timedelta(minutes=1)


@OFF
def test_a_worker_whose_clock_is_off_gives_nothing_back_before_its_time(
    now: datetime, off: timedelta
) -> None:
    one = shown()
    with time_machine.travel(now + off):
        assert release_due(["dating"]) == 0
    assert counted(one) == 1


@OFF
def test_what_was_seen_counts_as_received_after_its_grant_whichever_process_takes_it(
    now: datetime, off: timedelta
) -> None:
    one = shown()
    (name,) = [who for who in ("bea", "cleo", "dora", "ella", "fay") if number(who) == one]
    seen = event("impression", "adam", name, occurred_at=now)
    with time_machine.travel(now + off):
        assert [result.status for result in send(seen, now=clock.now())] == ["accepted"]
    assert release_due(["dating"], now=now + timedelta(seconds=HOLD + 60)) == 0
    assert counted(one) == 1
