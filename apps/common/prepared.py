"""Statements of the hot path: planned once per connection, their values bound by the server, rows in binary.

Django's cursor writes values into the text and plans each statement anew; for a batch of hundreds of values
that is most of the cost. It also reads each time from its text in Python. Unlike there,
jsonb comes as what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import NotSupportedError, connection


def rows_of(sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """The rows that a statement gives; none for one that gives none. Raises DatabaseError."""
    if connection.execute_wrappers or connection.force_debug_cursor:  # somebody counts what is asked
        with connection.cursor() as watched:
            watched.execute(sql, parameters)
            return list(watched.fetchall()) if watched.description else []
    connection.ensure_connection()
    try:
        return _asked(sql, parameters, prepare=True)
    except NotSupportedError:  # a column has another type now than in the plan that this connection keeps
        if connection.in_atomic_block:
            raise
        return _asked(sql, parameters, prepare=False)


def _asked(
    sql: str, parameters: Sequence[Any] | Mapping[str, Any], *, prepare: bool
) -> list[tuple[Any, ...]]:
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, prepare=prepare, binary=True)
        return cursor.fetchall() if cursor.description else []
