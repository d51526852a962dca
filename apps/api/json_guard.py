"""Reads a JSON body within limits. Takes bytes, gives plain values, or raises one clear problem.

Refused: over 1 MiB, deeper than 32, lists over 1,000, duplicate keys, NUL and lone surrogates in any text,
NaN, infinities, whole numbers that 64-bit floats can't hold. Does not know what the body should say.
"""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

import orjson
from django.conf import settings

from apps.api.problems import HttpProblem

_HOLDERS = (dict, list)  # a union would be made anew at each look
LARGEST_WHOLE = 2**53 - 1


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_body(stream: Readable, declared: int | None) -> bytes:
    """At most the allowed bytes; never more than one over is read."""
    most = settings.API_MAX_BODY_BYTES
    body = b"" if declared is not None and declared > most else stream.read(most + 1)
    if len(body) > most or (declared or 0) > most:
        raise HttpProblem(413, f"A body holds at most {most:,} bytes.")
    return body


def parse_json(body: bytes) -> Any:
    """The values of a JSON text in UTF-8. What is plainly in order is read quickly, all else with care."""
    try:
        value = orjson.loads(body)
        # Without a backslash every quote begins or ends a string: were one missing, a key stood twice.
        if b"\\" not in body and 2 * _texts_of(value, settings.API_MAX_JSON_DEPTH) == body.count(b'"'):
            return value
    except ValueError:
        pass
    return _read_with_care(body)


def _read_with_care(body: bytes) -> Any:
    """The same, saying what is wrong."""
    if not body.strip():
        raise _malformed("The body is empty.")
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_whole,
        )
    except HttpProblem:
        raise
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    # Only an escape can bring a NUL or a lone surrogate: UTF-8 and strict JSON hold neither as they are.
    _check(value, "", settings.API_MAX_JSON_DEPTH, b"\\u" in body)
    return value


def check_text(text: str, field: str | None) -> str:
    """Text that Postgres can hold: no NUL, no lone surrogate."""
    if text.isascii() and "\x00" not in text:
        return text
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise HttpProblem(400, "Text can't hold NUL or a lone surrogate.", code="invalid_text", field=field)
    return text


def _texts_of(value: Any, levels: int) -> int:
    """How many texts it holds, keys included. ValueError: for something in it there may be a refusal."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is int or kind is float:
        if not -LARGEST_WHOLE <= value <= LARGEST_WHOLE:
            raise ValueError("a large number")
        return 0
    if kind is not dict and kind is not list:
        return 0
    if not levels or (kind is list and len(value) > settings.API_MAX_LIST):
        raise ValueError("too deep or too long")
    count = len(value) if kind is dict else 0
    for entry in value.values() if kind is dict else value:
        if type(entry) is str:
            count += 1
        else:
            count += _texts_of(entry, levels - 1)
    return count


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        field = twice.encode(errors="replace").decode()[:64].replace("\x00", "?")
        raise HttpProblem(400, "A key stands twice in one object.", code="duplicate_key", field=field)
    return found


def _check(value: Any, field: str, levels: int, check_texts: bool) -> None:
    """`levels`: how many more may be opened. Without texts to check, only what holds others is looked at."""
    if isinstance(value, str):
        if check_texts:
            check_text(value, field or None)
        return
    if not isinstance(value, _HOLDERS):
        return
    if not levels:
        raise _too_deep()
    if isinstance(value, list):
        _check_length(value, field)
        for position, entry in enumerate(value):
            if check_texts or isinstance(entry, _HOLDERS):
                _check(entry, f"{field}.{position}" if field else str(position), levels - 1, check_texts)
        return
    for name, entry in value.items():
        if check_texts:
            check_text(name, field or None)
        if check_texts or isinstance(entry, _HOLDERS):
            _check(entry, f"{field}.{name}" if field else name, levels - 1, check_texts)


def _check_length(value: list[Any], field: str) -> None:
    if len(value) > settings.API_MAX_LIST:
        raise HttpProblem(
            400,
            f"A list holds at most {settings.API_MAX_LIST:,} entries.",
            code="too_many_items",
            field=field or None,
        )


def _whole(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_WHOLE:
        raise _number()
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _number()
    return number


def _constant(text: str) -> Any:
    raise _malformed(f"{text} is not JSON.")


def _number() -> HttpProblem:
    return HttpProblem(400, "A number is too large.", code="out_of_range")


def _malformed(detail: str) -> HttpProblem:
    return HttpProblem(400, detail, code="malformed_json")


def _too_deep() -> HttpProblem:
    return HttpProblem(400, f"JSON is at most {settings.API_MAX_JSON_DEPTH} deep here.", code="too_deep")
