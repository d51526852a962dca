"""Background work on deliveries and the online state. Celery only wakes it; each is safe to repeat."""

from celery import shared_task


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator]
def copy_deliveries_task() -> int:
    """Brings the delivery stream into Postgres."""
    from apps.interactions.copier import copy_all

    return copy_all()


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator]
def heal_online_state_task() -> bool:
    """Rebuilds the online state when it may not be believed."""
    from apps.interactions.rebuild import rebuild_when_needed

    return rebuild_when_needed()
