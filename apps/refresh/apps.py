from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RefreshConfig(AppConfig):
    """Offline half: Postgres to arrays to snapshot to active."""

    name = "apps.refresh"
    verbose_name = "System"  # the part of the navigation it stands in

    def ready(self) -> None:
        post_migrate.connect(ensure_schedule, dispatch_uid="refresh.ensure_schedule")


def ensure_schedule(sender: AppConfig, **_: Any) -> None:
    """Every 15 minutes, unless staff have said otherwise: an entry that exists is left as it is."""
    if sender.label != "django_celery_beat":
        return
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if not PeriodicTask.objects.filter(name="Refresh").exists():
        every, _created = IntervalSchedule.objects.get_or_create(every=15, period=IntervalSchedule.MINUTES)
        PeriodicTask.objects.create(name="Refresh", task="refresh.refresh", interval=every)
