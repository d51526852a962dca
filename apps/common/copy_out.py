"""Rows of a query as columns: fixed-width values by binary COPY, straight into numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

_HEADER = 19  # signature, flags and length of an extension that is never there
_WIDTHS = {"int": "i4", "bigint": "i8", "boolean": "u1", "float": "f8"}
_AS_SENT = {"half": "<u8"}  # 8 bytes as they came: half a UUID
_SENDS = {
    "int": "int4send({})", "bigint": "int8send({})", "boolean": "boolsend({})", "float": "float8send({})",
    "half": "{}", "moment": "timestamptz_send({})", "ints": "int4send(cardinality({}))",
}  # fmt: skip
_SENT = {"half": "<u8", "moment": ">i8", "ints": ">i4"} | {kind: f">{w}" for kind, w in _WIDTHS.items()}
_POSTGRES_BEGINS = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
Columns = dict[str, npt.NDArray[Any]]


def columns_of(sql: str, columns: Mapping[str, str], parameters: Mapping[str, Any]) -> Columns:
    """The rows of a query whose columns are never null and have these types, in this order.

    Types: int, bigint, boolean (as u1), float, half (a bytea of 8, as little-endian u8).
    Raises DatabaseError.
    """
    data = b"".join(_copied(sql, parameters))
    # A row: a 2-byte count and, per column, a 4-byte length and the value; all big-endian. The end: 2 bytes.
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns.items():
        fields += [(f"{name}.length", ">i4"), (name, _AS_SENT.get(kind) or f">{_WIDTHS[kind]}")]
    row = np.dtype(fields)
    found = np.frombuffer(data, row, count=(len(data) - _HEADER - 2) // row.itemsize, offset=_HEADER)
    return {name: found[name].astype(row[name].newbyteorder("=")) for name in columns}


def many_columns_of(sql: str, columns: Mapping[str, str], parameters: Mapping[str, Any]) -> Columns:
    """The same for millions of rows, in no order; the first column is an int.

    Postgres packs the rows, so that they come in 64 messages: taking a million of them apart one by one costs
    the reader more than the query costs Postgres. Further types: moment (timestamptz, as microseconds since
    1970), ints (an int[] without nulls: how many, and under NAME.each all of them in turn).
    Raises DatabaseError; ValueError for a null.
    """
    row = np.dtype([(name, _SENT[kind]) for name, kind in columns.items()])
    lists = [name for name, kind in columns.items() if kind == "ints"]
    packed = " || ".join(_SENDS[kind].format(name) for name, kind in columns.items())
    gathered = [f"string_agg({what}, ''::bytea)" for what in (packed, *map("array_send({})".format, lists))]
    grouped = f"SELECT int8send(count(*)), {', '.join(gathered)} FROM ({sql}) AS found"
    grouped += f" GROUP BY {next(iter(columns))} & 63"
    parts = list(_values(b"".join(_copied(grouped, parameters)), 2 + len(lists)))
    rows = sum(int.from_bytes(count, "big") for count, *_ in parts)
    found = np.frombuffer(b"".join(part[1] for part in parts), row)
    if len(found) != rows:
        raise ValueError(f"{rows - len(found)} of {rows} rows hold a null")
    result = {name: found[name].astype(row[name].newbyteorder("=")) for name in columns}
    for name, kind in columns.items():
        if kind == "moment":
            result[name] += _POSTGRES_BEGINS
    for place, name in enumerate(lists, 2):
        result[f"{name}.each"] = _elements(b"".join(part[place] for part in parts), result[name])
    return result


def _copied(sql: str, parameters: Mapping[str, Any]) -> Iterator[bytes]:
    with (
        connection.wrap_database_errors,  # a copy's own errors are psycopg's: callers wait for Django's
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", parameters) as copy,
    ):
        for part in copy:
            yield bytes(part)


def _values(data: bytes, fields: int) -> Iterator[list[bytes]]:
    """Per row its values, which are of any length; a null, of a group that holds nothing else, is empty."""
    at = _HEADER
    while int.from_bytes(data[at : at + 2], "big") == fields:
        at += 2
        row = []
        for _ in range(fields):
            length = max(int.from_bytes(data[at : at + 4], "big", signed=True), 0)
            row.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        yield row


def _elements(data: bytes, counts: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Of arrays as Postgres sends them: 3 words; unless empty 2 more and, per element, its length and it."""
    words = np.frombuffer(data, ">i4")
    sizes = np.where(counts > 0, 5 + 2 * counts.astype("i8"), 3)
    firsts = np.cumsum(sizes) - sizes + 6
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(words[np.repeat(firsts, counts) + 2 * within].astype("i4"))
