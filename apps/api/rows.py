"""Bulk calls: a list of rows in, a result per row out, in the same order. A bad row spoils no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from apps.api.problems import HttpProblem
from apps.common.bodies import Body, Rejected, RowResult, parse_row

B = TypeVar("B", bound=Body)


def as_list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise HttpProblem(400, "Send a list.", code="wrong_type")
    return data


def as_object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise HttpProblem(400, "Send an object.", code="wrong_type")
    return data


def read_rows(model: type[B], data: Any) -> list[B | Rejected]:
    rows = as_list(data)
    try:
        return [*_list_of(model).validate_python(rows)]
    except ValidationError:
        return [parse_row(model, row) for row in rows]


@cache
def _list_of(model: type[B]) -> TypeAdapter[list[B]]:
    """All rows at once, if there is nothing wrong with any."""
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def read_rows_with_id(model: type[B], data: Any) -> list[B | Rejected]:
    """For bodies whose id is optional elsewhere."""
    return [
        Rejected("", "missing", "id", "This key is needed.") if getattr(row, "id", "") is None else row
        for row in read_rows(model, data)
    ]


def save_rows(
    rows: Sequence[B | Rejected], save: Callable[[list[B]], Sequence[RowResult]]
) -> dict[str, list[RowResult]]:
    """Saves what could be read, in one call, and puts every result in its place."""
    readable = [row for row in rows if not isinstance(row, Rejected)]
    saved = iter(save(readable) if readable else ())
    return {
        "results": [
            RowResult(row.id, "rejected", row.code, row.field, row.detail)
            if isinstance(row, Rejected)
            else next(saved)
            for row in rows
        ]
    }
