"""Housekeeping of the API. Celery only wakes it; safe to repeat."""

from celery import shared_task


@shared_task(name="api.drop_old_answers")  # type: ignore[untyped-decorator]
def drop_old_answers_task() -> int:
    """Answers kept for an Idempotency-Key go after 72 hours."""
    from apps.api.idempotency import drop_old_answers

    return drop_old_answers()
