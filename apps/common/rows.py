"""Files of rows in the REST schema: JSON lines or CSV, gzipped or not, read one row at a time.

Gives (line number, data or Rejected). In CSV a column is a key, `home.latitude` one inside another; an empty
cell leaves the key out; a list is written a|b|c or as JSON, other values as in JSON. Checks no values.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import orjson

from apps.common.bodies import Body, Rejected

Line = tuple[int, Any]


def read_rows(path: Path, model: type[Body]) -> Iterator[Line]:
    """Rows of a file. Raises OSError, EOFError (a torn gzip file), csv.Error, ValueError (unknown column)."""
    name = path.name.removesuffix(".gz")
    with cast("IO[bytes]", gzip.open(path) if path.name.endswith(".gz") else path.open("rb")) as file:
        yield from _csv_rows(file, model) if name.endswith(".csv") else _json_rows(file)


def _json_rows(file: IO[bytes]) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield number, Rejected("", "invalid_json", None, f"This line is not JSON: {error.msg}.")


def _csv_rows(file: IO[bytes], model: type[Body]) -> Iterator[Line]:
    # A byte that is not UTF-8 becomes half a surrogate pair, which the body then refuses for its line.
    text = (line.decode("utf-8-sig" if first else "utf-8", "surrogateescape") for first, line in _first(file))
    csv.field_size_limit(min(sys.maxsize, 1 << 20))
    reader = csv.reader(text)
    columns = next(reader, [])
    readers = [_cell_reader(model, column) for column in columns]
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(columns):
            detail = f"The header has {len(columns)} columns, this line {len(cells)}."
            yield reader.line_num, Rejected("", "invalid_csv", None, detail)
            continue
        yield reader.line_num, _nested(columns, readers, cells)


def _first(file: IO[bytes]) -> Iterator[tuple[bool, bytes]]:
    for number, line in enumerate(file):
        yield number == 0, line


def _nested(columns: list[str], readers: list[Callable[[str], Any]], cells: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column, read, cell in zip(columns, readers, cells, strict=True):
        if cell:
            *outer, key = column.split(".")
            inside = row
            for name in outer:
                inside = inside.setdefault(name, {})
            inside[key] = read(cell)
    return row


def _cell_reader(model: type[Body], column: str) -> Callable[[str], Any]:
    """How a column's cells are read, by the type that the body's schema gives it."""
    schema = model.model_json_schema()
    found: dict[str, Any] = schema
    for key in column.split("."):
        inner = found.get("properties", {}).get(key) or found.get("additionalProperties")
        if not isinstance(inner, dict):
            raise ValueError(f"there is no column {column!r}")
        found = _resolved(inner, schema)
    kind = found.get("type", "string")
    return str if kind == "string" else _list if kind == "array" else _json


def _resolved(found: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Without references, and of "this or null" this."""
    for option in found.get("anyOf", ()):
        if option.get("type") != "null":
            return _resolved(option, schema)
    if "$ref" in found:
        return _resolved(schema["$defs"][found["$ref"].rsplit("/", 1)[1]], schema)
    return found


def _list(cell: str) -> Any:
    return _json(cell) if cell.startswith("[") else [word for word in cell.split("|") if word]


def _json(cell: str) -> Any:
    """What can't be read stays text, which the body refuses with the name of its key."""
    try:
        return orjson.loads(cell.lower() if cell in ("True", "False", "TRUE", "FALSE") else cell)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return cell
