"""Keeps the online state whole from a process that answers nobody: beat.

A web process does it as well when nobody else is at it, but there the work shares one interpreter lock with
requests, and takes half as long again.
"""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, connection
from redis import RedisError

from apps.common.errors import Unavailable
from apps.common.logs import name_of
from apps.interactions.rebuild import rebuild_when_needed

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25


def keep_whole(stop: threading.Event) -> None:
    """Looks until `stop` is set whether the online state may be believed, and mends it when it may not."""
    said = ""
    while not stop.wait(LOOK_SECONDS):
        try:
            rebuild_when_needed()
            said = ""
        except (RedisError, DatabaseError, Unavailable) as error:
            if name_of(error) != said:
                said = name_of(error)
                log.warning("The online state can't be mended yet: %s", said)
            connection.close()
        except Exception:  # the thread must outlive whatever one look meets
            log.exception("The online state could not be mended")
            connection.close()
