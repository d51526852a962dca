"""What this machine's web processes granted, in files, until it is committed in Postgres.

A process appends each grant to a file of its own before it answers; Valkey may then lose everything and no
exposure is forgotten. `settle_grants` stores what Postgres lacks, exactly once by delivery id, and removes
the file. A record: length and CRC-32 of what follows, four counts, the payload, the viewer's state,
positions. A torn tail (a killed process, a full disk) ends the file.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import orjson
from django.conf import settings

from apps.interactions.arrays import literal
from apps.interactions.copier import delivery_of, store
from apps.interactions.models import Delivery

log = logging.getLogger(__name__)
SEGMENT_SECONDS = 10.0
STORED_AT_ONCE = 1000
_HEAD = struct.Struct("<II")  # length, CRC-32
_COUNTS = struct.Struct("<IHHH")  # bytes of the payload, positions, gone, capped


class GrantFile:
    """This process's file. Written by request threads, turned over and synced by its background thread."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pid = folder, os.getpid()
        self._lock = threading.Lock()
        self._file = -1
        self._opened_at = 0.0
        self._dirty = False
        self._said = ""

    def append(self, *, payload: bytes, state: bytes, kept: list[int], gone: int, capped: int) -> None:
        """In the kernel's hands when it returns: it outlives this process. A full disk is only logged."""
        body = b"".join(
            (
                _COUNTS.pack(len(payload), len(kept), gone, capped),
                payload,
                state,
                np.array(kept, "<u2").tobytes(),
            )
        )
        record = _HEAD.pack(len(body), zlib.crc32(body)) + body
        try:
            with self._lock:
                if self._file < 0:
                    self._file = self._open()
                self._dirty = True
                if os.write(self._file, record) < len(record):  # a disk that is full: the file ends here
                    os.close(self._file)
                    self._file = -1
                    raise OSError("it was written in part")
        except OSError as error:
            self._say_once(f"A grant is in Valkey alone: {error}")

    def turn_over(self, *, now: float | None = None) -> None:
        """Syncs what was written, and closes a file that is old enough for somebody to settle it."""
        old = -1
        with self._lock:
            dirty, self._dirty = self._dirty, False
            if (
                self._file >= 0
                and (time.monotonic() if now is None else now) - self._opened_at > SEGMENT_SECONDS
            ):
                old, self._file = self._file, -1
            current = self._file
        try:
            if dirty and max(old, current) >= 0:
                os.fdatasync(old if old >= 0 else current)
        except OSError as error:
            self._say_once(f"Grants can't be synced: {error}")
        if old >= 0:
            os.close(old)  # and with it goes the lock

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._dirty = -1, False

    def _open(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.pid}-{time.time_ns()}.grants"
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)  # whoever gets it knows that the writer is done, or dead
        if not os.fstat(file).st_nlink:  # somebody settled it between the two
            os.close(file)
            return self._open()
        self._opened_at = time.monotonic()
        return file

    def _say_once(self, sentence: str) -> None:
        if sentence != self._said:
            log.error(sentence)
        self._said = sentence


_files: dict[str, GrantFile] = {}  # by folder


def grant_file() -> GrantFile:
    """This process's file; a forked process gets one of its own."""
    folder = str(settings.GRANTS_DIR)
    current = _files.get(folder)
    if current is None or current.pid != os.getpid():
        current = _files[folder] = GrantFile(Path(folder))
    return current


def settle_grants(*, everything: bool = False) -> int:
    """Stores what Postgres lacks and removes the files; how many deliveries were lacking. Safe to repeat.

    Files that are still written are left alone; with `everything` they are stored, too, and stay.
    Raises DatabaseError.
    """
    folder, stored = Path(settings.GRANTS_DIR), 0
    for path in sorted(folder.glob("*.grants")) if folder.is_dir() else ():
        stored += _settle(path, everything=everything)
    return stored


def _settle(path: Path, *, everything: bool) -> int:
    try:
        with path.open("rb") as file:
            done = _is_done(file.fileno())
            if not (done or everything):
                return 0
            lacking = _store_lacking(list(_read(file.read(), path)))
            if done:  # while it is locked: of two who settle, one removes it
                path.unlink(missing_ok=True)
            return lacking
    except FileNotFoundError:
        return 0  # somebody else was faster


def _is_done(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _store_lacking(rows: list[Delivery]) -> int:
    lacking = 0
    for start in range(0, len(rows), STORED_AT_ONCE):
        part = rows[start : start + STORED_AT_ONCE]
        there = _there([row.id for row in part])
        missing = [row for row in part if row.id not in there]
        store(missing)
        lacking += len(missing)
    return lacking


def _there(ids: list[UUID]) -> set[UUID]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM interactions_delivery WHERE id = ANY(%s::uuid[])", [literal(ids)])
        return {key for (key,) in cursor.fetchall()}


def _read(data: bytes, path: Path) -> Iterator[Delivery]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            break
        yield _delivery(body)
        at += _HEAD.size + length
    if at < len(data):
        log.warning("%s ends in a torn record of %d bytes", path.name, len(data) - at)


def _delivery(body: bytes) -> Delivery:
    size, count, gone, capped = _COUNTS.unpack_from(body)
    payload, rest = body[_COUNTS.size : _COUNTS.size + size], body[_COUNTS.size + size :]
    state, kept = rest[: len(rest) - 2 * count], rest[len(rest) - 2 * count :]
    positions = np.frombuffer(kept, "<u2").tolist()
    return delivery_of(orjson.loads(payload), positions, gone=gone, capped=capped, viewer_state=state)
