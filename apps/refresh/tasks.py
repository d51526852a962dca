"""The refresh as a task that beat wakes. Woken twice for the same quarter of an hour, it is done once.

Most of them keep the models of the one before, and are quick; when those are LEARN_EVERY old, one learns.
"""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from apps.common import clock
from apps.refresh import jobs, services

SLOT_MINUTES = 15


@shared_task(name="refresh.refresh", bind=True, max_retries=None)  # type: ignore[untyped-decorator]
def refresh_task(self: Any, key: str | None = None) -> str:
    """Refreshes for the present quarter of an hour, or for the key of an earlier try."""
    key = key or slot()
    try:
        return services.refresh(key=key, keep_models=settings.LEARN_EVERY).id
    except jobs.RefreshBusy:
        if key != slot():
            return "given up: a later one is due"
        raise self.retry(kwargs={"key": key}, countdown=jobs.LEASE_SECONDS) from None


def slot() -> str:
    """The quarter of an hour that now lies in."""
    now = clock.now()
    return f"every 15 minutes {now:%Y-%m-%d} {now:%H}:{now.minute // SLOT_MINUTES * SLOT_MINUTES:02d}"
