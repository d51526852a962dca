"""Log lines as JSON, with ids and without anything that a member said or is.

Exceptions are named and located, never quoted: what they say may hold a row, a body or an address. The same
goes for exceptions among a message's values, and for what Celery tells of a task's arguments and result.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

IDS = ("delivery", "release", "snapshot", "job")  # what a caller may add with `extra`
UNTOLD = frozenset({"args", "kwargs", "exc", "traceback", "return_value", "data"})  # among Celery's values
MOST_FRAMES = 12
_call: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("call", default=None)


def speak_of_call(name: str, meta: Mapping[str, Any]) -> None:
    """Lines of this thread are about this call until the next; `meta` is the request's."""
    _call.set((name, meta))


class JsonFormatter(logging.Formatter):
    """One line per record: at, level, logger, message, what call and ids it is about, error and where."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **_about_call(),
            **{name: getattr(record, name) for name in IDS if hasattr(record, name)},
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": name_of(record.exc_info[1]), "where": _frames(record.exc_info[1])}
        return orjson.dumps(line, default=str).decode()


def name_of(error: BaseException) -> str:
    """Class and, of the database, SQLSTATE; with the causes behind it."""
    names: list[str] = []
    current: BaseException | None = error
    while current is not None and len(names) < 4:
        state = getattr(current, "sqlstate", None)
        names.append(type(current).__name__ + (f" {state}" if state else ""))
        current = current.__cause__
    return " from ".join(names)


def _message(record: logging.LogRecord) -> str:
    values = record.args
    try:
        if isinstance(values, Mapping):
            return str(record.msg) % {name: _told(name, value) for name, value in values.items()}
        return str(record.msg) % tuple(_told("", value) for value in values) if values else str(record.msg)
    except (TypeError, ValueError):  # a message that does not fit its values
        return str(record.msg)


def _told(name: str, value: Any) -> Any:
    if name in UNTOLD:
        return "..."
    return _Named(name_of(value)) if isinstance(value, BaseException) else value


class _Named(str):
    """Is the same however a message asks for it."""

    def __repr__(self) -> str:
        return str(self)


def _about_call() -> dict[str, str]:
    call = _call.get()
    if call is None:
        return {}
    name, meta = call
    try:  # the caller's own id, if it is one: else it could say anything
        return {"call": name, "request": str(UUID(str(meta.get("HTTP_X_REQUEST_ID", ""))))}
    except ValueError:
        return {"call": name}


def _frames(error: BaseException) -> list[str]:
    """File, line and function; without the line's text, and without values."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [f"{frame.filename.rpartition('/raya_recs/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
