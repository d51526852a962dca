"""Background work of delivery and publishing. Celery only wakes it; each is safe to repeat."""

from __future__ import annotations

import logging

from celery import shared_task

log = logging.getLogger(__name__)


@shared_task(name="delivery.study_draft")  # type: ignore[untyped-decorator]
def study_draft_task(pk: int) -> None:
    """Draws recent lists again under a draft."""
    from apps.delivery.studies import run_study

    run_study(pk)


@shared_task(name="releases.publish_due")  # type: ignore[untyped-decorator]
def publish_due_task() -> int:
    """Publishes drafts whose time has come, then ends releases: who follows at the same minute goes first."""
    from apps.delivery.reach import ready_to_return, ready_to_serve
    from apps.releases.services import end_due, publish_due

    return publish_due(ready_to_serve) + end_due(ready_to_return)


@shared_task(name="releases.send_notices")  # type: ignore[untyped-decorator]
def send_notices_task() -> int:
    """Mails that wait, and what ends soon."""
    from apps.releases.ending import tell_what_ends_soon
    from apps.releases.notices import send_notices

    tell_what_ends_soon()
    return send_notices()


@shared_task(name="interactions.count_recent")  # type: ignore[untyped-decorator]
def count_recent_task() -> int:
    """Counts what the latest lists were made of, for the pages of policies and rules."""
    from apps.delivery.recent import count_recent

    return count_recent()


@shared_task(name="delivery.check_caps")  # type: ignore[untyped-decorator]
def check_caps_task() -> int:
    """Counts who was shown too often, for the metrics."""
    from apps.delivery.overshoot import check_caps

    return check_caps()


@shared_task(name="delivery.watch_rollout")  # type: ignore[untyped-decorator]
def watch_rollout_task() -> str:
    """Walks a staged rollout on, or back."""
    from apps.delivery.rollout import watch_rollout

    return watch_rollout()


@shared_task(name="delivery.read_experiments")  # type: ignore[untyped-decorator]
def read_experiments_task() -> int:
    """Reads the live experiments that are due."""
    from apps.delivery.readings import read_experiments

    return read_experiments()


@shared_task(name="delivery.pace")  # type: ignore[untyped-decorator]
def pace_task() -> int:
    """One step of the pacer for this minute."""
    from django.db import DatabaseError

    from apps.delivery.pacer import pace

    try:
        return pace()
    except DatabaseError as error:
        log.warning("Prices stay as they are: %s", type(error).__name__)
        return 0
