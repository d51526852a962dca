"""Safety facts from Postgres within a request, for when Valkey may not be believed.

Every question has a client-side time-out, for a hung server defeats its own; a question that took too long
is cut off, so that its thread is free again. After three failures in a row requests ask no more: the
background does, four times a second, and tells when Postgres is back.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from django.db import DatabaseError, connection

from apps.common.breaker import Friend
from apps.common.errors import NotFound
from apps.common.online import RECORD, Records

I32 = npt.NDArray[np.int32]
T = TypeVar("T")
SECONDS = 0.2
REST_SECONDS = 2.0  # between the trials of requests, which the background forestalls
PROBE_SECONDS = 0.2
THREADS = 8

# Beside the facts, within one snapshot: that the viewer was not erased, and the facts with them.
_IS_THERE = (
    "SELECT number, NULL::boolean, NULL::float8 FROM members_member WHERE number = %(viewer)s UNION ALL"
)
_SEEN = """
UNION ALL
SELECT target, NULL, extract(epoch FROM max(occurred_at))::float8 FROM interactions_event
WHERE actor = %(viewer)s AND occurred_at > to_timestamp(%(since)s)
  AND type = 'impression' AND surface = %(surface)s AND target IS NOT NULL
GROUP BY target
"""
_PLACE_FACTS = f"""
{_IS_THERE}
SELECT target, false, NULL FROM interactions_relationship
WHERE actor = %(viewer)s AND surface = %(surface)s AND target_kind = 'place'
{_SEEN}"""
_FACTS = f"""
{_IS_THERE}
SELECT target, state IN ('blocked', 'reported'), NULL FROM interactions_relationship
WHERE actor = %(viewer)s AND target_kind = 'member'
  AND (surface = %(surface)s OR state IN ('blocked', 'reported'))
UNION ALL
SELECT actor, state <> 'unmatched', NULL FROM interactions_relationship
WHERE target = %(viewer)s AND target_kind = 'member'
  AND (state IN ('blocked', 'reported') OR (state = 'unmatched' AND surface = %(surface)s))
UNION ALL SELECT b_id, false, NULL FROM members_connection WHERE a_id = %(viewer)s
UNION ALL SELECT a_id, false, NULL FROM members_connection WHERE b_id = %(viewer)s
{_SEEN}"""
_SHOWN = {
    "member": """SELECT number FROM members_member WHERE number = ANY(%s)
        AND status = 'active' AND visibility = 'visible' AND stopped_at IS NULL
        AND birth_date <= current_date - interval '18 years'""",
    "place": """SELECT number FROM places_place WHERE number = ANY(%s)
        AND visibility = 'visible' AND stopped_at IS NULL""",
}
_VIEWER = """SELECT number, status = 'active' AND stopped_at IS NULL
        AND birth_date <= current_date - interval '18 years' FROM members_member WHERE external_id = %s"""
_IDS = {
    "member": "SELECT number, external_id FROM members_member WHERE number = ANY(%s)",
    "place": "SELECT number, external_id FROM places_place WHERE number = ANY(%s)",
}


@dataclass(frozen=True)
class Facts:
    """What Postgres says of a viewer on one surface. Numbers are sorted."""

    blocked: I32  # both ways
    related: I32  # acted on here, connected
    saw: Records  # and when last


class TruthAway(Exception):
    """Postgres did not answer in time."""


class _Pool:
    """Threads with connections of their own; made anew in a forked process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="truth")


class _Wire:
    """The socket under a question while it is asked, to be cut from outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def carry(self, question: Callable[[], T]) -> T:
        connection.ensure_connection()
        # A twin: the number itself may be another's by the time somebody cuts.
        with socket.socket(fileno=os.dup(connection.connection.fileno())) as twin:
            with self._lock:
                if self._is_cut:
                    raise DatabaseError("nobody waits for this answer any more")
                self._socket = twin
            try:
                return question()
            finally:
                with self._lock:
                    self._socket = None

    def cut(self) -> None:
        """Ends the wait of whoever reads from the socket; they close it."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


_pools: dict[str, _Pool] = {}
postgres = Friend("Postgres")


def ask(question: Callable[[], T], *, seconds: float = SECONDS, rest: float = REST_SECONDS) -> T:
    """Runs `question` on a thread with a connection of its own. Raises TruthAway."""
    if not postgres.may_be_asked(rest):
        raise TruthAway
    wire = _Wire()
    future = _pool().threads.submit(_connected, question, wire)
    try:
        answer = future.result(seconds)
    except (FutureTimeout, DatabaseError) as error:
        if not future.cancel():
            wire.cut()
        postgres.failed()
        raise TruthAway from error
    postgres.answered()
    return answer


def facts(viewer: int, surface: str, kind: str, *, seen_since: float = inf) -> Facts:
    """Blocks and relations of a viewer, and whom they saw since then. Raises NotFound, TruthAway."""
    sql = _FACTS if kind == "member" else _PLACE_FACTS
    rows = ask(lambda: _rows(sql, {"viewer": viewer, "surface": surface, "since": seen_since}))
    if (viewer, None, None) not in rows:
        raise unknown_viewer()
    pairs = np.array([(number, is_block) for number, is_block, _ in rows if is_block is not None], "i4")
    pairs = pairs.reshape(-1, 2)
    saw = [(number, 0, 1, at) for number, _, at in rows if at is not None]
    return Facts(
        blocked=np.unique(pairs[pairs[:, 1] == 1, 0]),
        related=np.unique(pairs[pairs[:, 1] == 0, 0]),
        saw=np.array(sorted(saw), RECORD),
    )


def gone_among(kind: str, numbers: I32) -> npt.NDArray[np.bool_]:
    """Which of these may not be shown. Raises TruthAway."""
    rows = ask(lambda: _rows(_SHOWN[kind], [numbers.tolist()]))
    return ~np.isin(numbers, [number for (number,) in rows])


def viewer(member: str) -> tuple[int, bool]:
    """Number of a member by the app's id, and whether they may be given lists. Raises NotFound, TruthAway."""
    rows = ask(lambda: _rows(_VIEWER, [member]))
    if not rows:
        raise unknown_viewer()
    return rows[0][0], bool(rows[0][1])


def unknown_viewer() -> NotFound:
    return NotFound("There is no such member.", code="unknown_member", field="member")


def ids(kind: str, numbers: I32) -> dict[int, str]:
    """The app's ids behind numbers. Raises TruthAway."""
    return dict(ask(lambda: _rows(_IDS[kind], [numbers.tolist()])))


def rest() -> None:
    """Lets the threads and their connections go; they come back when asked."""
    postgres.forget()
    pool = _pools.pop("only", None)
    if pool is not None and pool.pid == os.getpid():
        all_here = threading.Barrier(THREADS)  # so that each thread closes its own
        for _ in range(THREADS):
            pool.threads.submit(_let_go, all_here)
        pool.threads.shutdown(wait=False)


def _let_go(all_here: threading.Barrier) -> None:
    connection.close()
    with suppress(threading.BrokenBarrierError):
        all_here.wait(1)


def _pool() -> _Pool:
    pool = _pools.get("only")
    if pool is None or pool.pid != os.getpid():
        pool = _pools["only"] = _Pool()
    return pool


def _connected(question: Callable[[], T], wire: _Wire) -> T:
    connection.close_if_unusable_or_obsolete()
    try:
        return wire.carry(question)
    except DatabaseError:
        connection.close()
        raise


def _rows(sql: str, parameters: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
