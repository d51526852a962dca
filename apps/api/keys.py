"""Live service keys, held by each process, so that a request asks Postgres nothing.

`find_key(presented)` takes `prefix.secret`, gives the live key or None. A thread reads the small table twice
a second: a revoked key stops within a second. While Postgres is away, the last keys read stay in use.
Does not decide what a key may do (permissions.py).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import Error, connection

from apps.api.models import CallerClass, ServiceKey
from apps.common.clock import now
from apps.common.errors import Unavailable

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class LiveKey:
    """A key that is not revoked. Stands as `request.user`: a caller, not a person."""

    prefix: str
    hashed: str
    name: str
    scopes: frozenset[str]
    expires_at: datetime | None
    caller_class: str = CallerClass.INTERACTIVE

    is_authenticated = True
    is_active = True

    def matches(self, presented: str) -> bool:
        digest = f"sha512$${hashlib.sha512(presented.encode()).hexdigest()}"
        fits = hmac.compare_digest(digest, self.hashed)
        return fits and (self.expires_at is None or self.expires_at > now())


class KeyRing:
    """All live keys by prefix, replaced whole at each read."""

    def __init__(self) -> None:
        self._keys: dict[str, LiveKey] = {}
        self._read_at = 0.0
        self._pid = 0
        self._lock = threading.Lock()

    def find(self, presented: str) -> LiveKey | None:
        self._keep_fresh()
        key = self._keys.get(presented.partition(".")[0])
        return key if key is not None and key.matches(presented) else None

    def class_of(self, prefix: str) -> str:
        """What the keys say that were read last; asks nobody."""
        key = self._keys.get(prefix)
        return key.caller_class if key is not None else CallerClass.BACKGROUND

    def read(self) -> None:
        """Reads every live key now, over this thread's connection."""
        rows = ServiceKey.objects.filter(revoked=False)
        self._keys = {
            row.prefix: LiveKey(
                row.prefix,
                row.hashed_key,
                row.name,
                frozenset(row.scopes),
                row.expiry_date,
                row.caller_class,
            )
            for row in rows
        }
        self._read_at = time.monotonic()

    def _keep_fresh(self) -> None:
        if settings.API_KEYS_POLLED and self._pid == os.getpid():
            return
        with self._lock:
            if not settings.API_KEYS_POLLED:
                self._read_or_refuse()  # tests: their rows are visible to this connection alone
            elif self._pid != os.getpid():  # first use in this process; a thread does not survive a fork
                self._read_or_refuse()
                self._pid = os.getpid()
                threading.Thread(target=self._poll, name="service-keys", daemon=True).start()

    def _read_or_refuse(self) -> None:
        try:
            self.read()
        except Error as error:
            raise Unavailable("Service keys can't be read right now.") from error

    def _poll(self) -> None:
        while True:
            time.sleep(POLL_SECONDS)
            try:
                self.read()
            except Exception:  # whatever it is: without this thread a revoked key would live on
                log.warning("service keys could not be read; the last ones stay in use")
                connection.close()


_ring = KeyRing()


def find_key(presented: str) -> LiveKey | None:
    """The live key presented as `prefix.secret`, or None. Raises Unavailable when none were ever read."""
    return _ring.find(presented)


def caller_class(header: str) -> str:
    """The class of whoever sends this Authorization header; it proves nothing. Unknown: background."""
    return _ring.class_of(header.rpartition(" ")[2].partition(".")[0])
