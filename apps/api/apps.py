from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ApiConfig(AppConfig):
    """REST v1."""

    name = "apps.api"
    verbose_name = "System"  # the part of the navigation it stands in

    def ready(self) -> None:
        post_migrate.connect(ensure_schedule, dispatch_uid="api.ensure_schedule")


def ensure_schedule(sender: AppConfig, **_: Any) -> None:
    """Every hour, unless staff have said otherwise: an entry that exists is left as it is."""
    if sender.label != "django_celery_beat":
        return
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    name = "Drop old kept answers"
    if not PeriodicTask.objects.filter(name=name).exists():
        hourly, _created = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
        PeriodicTask.objects.create(name=name, task="api.drop_old_answers", interval=hourly)
