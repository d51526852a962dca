"""The Celery app. Celery wakes work; a job row decides whether it is done (see apps.refresh)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "raya_recs.settings.local")

app = Celery("raya_recs")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
