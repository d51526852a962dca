from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

SCHEDULE = {  # name -> (task, seconds)
    "Copy deliveries": ("interactions.copy_deliveries", 3),
    "Release exposures": ("interactions.release_exposures", 5),
    "Pace exposures": ("delivery.pace", 60),
    "Heal the online state": ("interactions.heal_online_state", 15),
    "Publish what is due": ("releases.publish_due", 10),
    "Send notices": ("releases.send_notices", 30),
    "Watch the rollout": ("delivery.watch_rollout", 10),
    "Check the caps": ("delivery.check_caps", 300),
    "Make and drop months": ("interactions.keep_months", 3600),
    "Count the days": ("interactions.count_days", 300),
    "Count the latest lists": ("interactions.count_recent", 60),
    "Read the experiments": ("delivery.read_experiments", 20),
}


class DeliveryConfig(AppConfig):
    """Online half: viewer to params to pipeline to guard to caps to answer."""

    name = "apps.delivery"
    verbose_name = "Delivery"

    def ready(self) -> None:
        post_migrate.connect(ensure_schedule, dispatch_uid="delivery.ensure_schedule")


def ensure_schedule(sender: AppConfig, **_: Any) -> None:
    """Every few seconds, unless staff have said otherwise: an entry that exists is left as it is."""
    if sender.label != "django_celery_beat":
        return
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    for name, (task, seconds) in SCHEDULE.items():
        if not PeriodicTask.objects.filter(name=name).exists():
            every, _created = IntervalSchedule.objects.get_or_create(
                every=seconds, period=IntervalSchedule.SECONDS
            )
            # A worker that was away has nothing to catch up with: the next run copies all.
            PeriodicTask.objects.create(name=name, task=task, interval=every, expire_seconds=seconds)
