"""The project: settings, URLs, the Celery app, embedded servers and the demo."""

from raya_recs.celery import app as celery_app

__all__ = ["celery_app"]
