"""Rows of a query as columns: fixed-width values by binary COPY, straight into numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

_HEADER = 19  # signature, flags and length of an extension that is never there
_WIDTHS = {"int": "i4", "bigint": "i8", "boolean": "u1", "float": "f8"}
_AS_SENT = {"half": "<u8"}  # 8 bytes as they came: half a UUID


def columns_of(
    sql: str, columns: Mapping[str, str], parameters: Mapping[str, Any]
) -> dict[str, npt.NDArray[Any]]:
    """The rows of a query whose columns are never null and have these types, in this order.

    Types: int, bigint, boolean (as u1), float, half (a bytea of 8, as little-endian u8).
    Raises DatabaseError.
    """
    with (
        connection.wrap_database_errors,  # a copy's own errors are psycopg's: callers wait for Django's
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", parameters) as copy,
    ):
        data = b"".join(bytes(part) for part in copy)
    # A row: a 2-byte count and, per column, a 4-byte length and the value; all big-endian. The end: 2 bytes.
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns.items():
        fields += [(f"{name}.length", ">i4"), (name, _AS_SENT.get(kind) or f">{_WIDTHS[kind]}")]
    row = np.dtype(fields)
    found = np.frombuffer(data, row, count=(len(data) - _HEADER - 2) // row.itemsize, offset=_HEADER)
    return {name: found[name].astype(row[name].newbyteorder("=")) for name in columns}
