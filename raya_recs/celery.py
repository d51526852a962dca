"""The Celery app. Celery wakes work; a job row decides whether it is done (see apps.refresh)."""

import os
import threading
from logging.config import dictConfig
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raya_recs.settings.local")

app = Celery("raya_recs")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]
def log_as_everybody(**_: Any) -> None:
    """Django's logging, not Celery's own: that quotes arguments and exceptions."""
    from django.conf import settings

    dictConfig(settings.LOGGING)


@beat_init.connect  # type: ignore[untyped-decorator]
def keep_online_state(**_: Any) -> None:
    """Beat has nothing else to do between two wakings: it fills a Valkey that was emptied."""
    from apps.interactions.healing import keep_whole

    threading.Thread(target=keep_whole, args=[threading.Event()], name="healing", daemon=True).start()
