"""Background work on deliveries and the online state. Celery only wakes it; each is safe to repeat."""

import logging

from celery import shared_task

log = logging.getLogger(__name__)


@shared_task(name="interactions.copy_deliveries")  # type: ignore[untyped-decorator]
def copy_deliveries_task() -> int:
    """Brings the delivery stream into Postgres; what can't be copied now is copied next time."""
    from django.db import DatabaseError
    from redis import RedisError

    from apps.interactions.copier import copy_all
    from apps.interactions.grants import settle_grants

    try:
        return copy_all() + settle_grants()
    except (RedisError, DatabaseError) as error:
        log.warning("Deliveries wait in the stream: %r", error)
        return 0


@shared_task(name="interactions.heal_online_state")  # type: ignore[untyped-decorator]
def heal_online_state_task() -> bool:
    """Mends the online state when it may not be believed; else tells it what nobody told it so far."""
    from django.db import DatabaseError
    from redis import RedisError

    from apps.common.errors import Unavailable
    from apps.interactions.rebuild import rebuild_when_needed
    from apps.interactions.telling import tell_untold

    try:
        return rebuild_when_needed() or tell_untold() > 0
    except (RedisError, DatabaseError, Unavailable) as error:
        log.warning("The online state can't be rebuilt yet: %r", error)
        return False


@shared_task(name="interactions.count_days")  # type: ignore[untyped-decorator]
def count_days_task() -> int:
    """Counts the figures of the last days for the first page."""
    from apps.interactions.daily import count_days

    return count_days()


@shared_task(name="interactions.release_exposures")  # type: ignore[untyped-decorator]
def release_exposures_task() -> int:
    """Takes back exposures whose time ran out without an impression."""
    from django.db import DatabaseError
    from redis import RedisError

    from apps.interactions.exposures import release_due
    from apps.surfaces.models import Surface

    try:
        return release_due(Surface.objects.values_list("key", flat=True))
    except (RedisError, DatabaseError) as error:
        log.warning("Exposures are released later: %r", error)
        return 0


@shared_task(name="interactions.keep_months")  # type: ignore[untyped-decorator]
def keep_months_task() -> int:
    """Makes the months to come, drops those that are kept no longer; how many went."""
    from apps.common.clock import now
    from apps.interactions.upkeep import keep_months

    return len(keep_months(now()))
