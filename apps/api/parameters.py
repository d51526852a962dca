"""Query parameters, strictly: each known, said once, of the right form.

Takes a request and the names it may use, gives text by name; the other functions turn one text into a value.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from django.http import HttpRequest

from apps.api.json_guard import check_text
from apps.api.problems import HttpProblem
from apps.common.bodies import KEY_PATTERN

MOST_PARAMETERS = 50
LONGEST_ID = 64


def read_parameters(request: HttpRequest, known: Iterable[str]) -> dict[str, str]:
    """Name to text. Unknown, repeated, badly encoded: 400."""
    query = request.META.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise HttpProblem(400, "The query can't be read.", code="malformed_query") from None
    allowed, found = set(known), dict[str, str]()
    for name, text in pairs:
        shown = check_text(name, None)[:LONGEST_ID]
        if name not in allowed:
            raise HttpProblem(400, "There is no such parameter.", code="unknown_parameter", field=shown)
        if name in found:
            raise HttpProblem(
                400, "This parameter may be given once.", code="repeated_parameter", field=shown
            )
        found[name] = check_text(text, name)
    return found


def required_id(given: Mapping[str, str], name: str) -> str:
    """An id of the app: 1 to 64 characters."""
    if name not in given:
        raise HttpProblem(400, "This parameter is needed.", code="missing", field=name)
    return check_id(given[name], name)


def check_id(text: str, field: str) -> str:
    if not 1 <= len(check_text(text, field)) <= LONGEST_ID:
        raise HttpProblem(
            400,
            f"An id has 1 to {LONGEST_ID} characters.",
            code="too_long" if text else "too_short",
            field=field,
        )
    return text


def optional_key(given: Mapping[str, str], name: str) -> str | None:
    """A key like that of a market; None: not given."""
    text = given.get(name)
    if text is not None and not re.fullmatch(KEY_PATTERN, text):
        raise HttpProblem(400, "A key is written as in new-york.", code="invalid_value", field=name)
    return text


def optional_whole(given: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise HttpProblem(400, "Give a whole number in digits.", code="wrong_type", field=name)
    if not least <= int(text) <= most:
        raise HttpProblem(400, f"Give {least} to {most}.", code="out_of_range", field=name)
    return int(text)


def optional_uuid(given: Mapping[str, str], name: str) -> uuid.UUID | None:
    return parse_uuid(given[name], name) if name in given else None


def parse_uuid(text: str, field: str) -> uuid.UUID:
    """Only the form with hyphens: one spelling for one id."""
    try:
        value = uuid.UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text.lower():
        raise HttpProblem(400, "Give a UUID with hyphens.", code="invalid_uuid", field=field)
    return value


def optional_flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        raise HttpProblem(400, "Give true or false.", code="wrong_type", field=name)
    return text == "true"
