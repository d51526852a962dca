from datetime import UTC, datetime

import pytest
import time_machine
from django.apps import apps
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.refresh import jobs, tasks
from apps.refresh.apps import ensure_schedule
from apps.refresh.models import SnapshotRow

BEAT = apps.get_app_config("django_celery_beat")


@pytest.fixture
def no_schedule(db: None) -> None:
    PeriodicTask.objects.all().delete()


@pytest.mark.usefixtures("no_schedule")
def test_migrating_schedules_a_refresh_every_15_minutes() -> None:
    ensure_schedule(BEAT)
    task = PeriodicTask.objects.get(name="Refresh")
    assert (task.task, task.interval.every, task.interval.period) == (tasks.refresh_task.name, 15, "minutes")


@pytest.mark.usefixtures("no_schedule")
def test_what_staff_set_is_left_alone() -> None:
    ensure_schedule(BEAT)
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.update(interval=hourly, enabled=False)
    ensure_schedule(BEAT)
    task = PeriodicTask.objects.get(name="Refresh")
    assert task.interval == hourly
    assert not task.enabled


@pytest.mark.parametrize(("minute", "slot"), [(0, "00"), (14, "00"), (15, "15"), (59, "45")])
def test_a_slot_is_a_quarter_of_an_hour(minute: int, slot: str) -> None:
    with time_machine.travel(datetime(2026, 6, 15, 10, minute, 59, tzinfo=UTC), tick=False):
        assert tasks.slot() == f"every 15 minutes 2026-06-15 10:{slot}"


@pytest.mark.usefixtures("market")
def test_woken_twice_in_one_slot_it_is_done_once() -> None:
    first = tasks.refresh_task("slot")
    second = tasks.refresh_task("slot")
    assert first == second
    assert SnapshotRow.objects.count() == 1


@pytest.mark.usefixtures("market")
def test_a_slot_that_passed_while_another_ran_is_given_up() -> None:
    jobs.claim("another")
    assert "given up" in tasks.refresh_task("every 15 minutes 2026-01-01 00:00")
    assert SnapshotRow.objects.count() == 0
