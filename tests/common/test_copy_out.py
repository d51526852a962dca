"""Columns read by COPY: row by row and packed by Postgres alike."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from apps.common.copy_out import columns_of, many_columns_of

pytestmark = pytest.mark.django_db
ROWS = "SELECT n, n * 5000000000::bigint AS big, n %% 2 = 0 AS even, n / 8.0::float8 AS part,"
ROWS += " substring(uuid_send('00000000-0000-0000-0100-000000000000') FROM 9) AS tag"
ROWS += " FROM generate_series(1, %(n)s) n"
TYPES = {"n": "int", "big": "bigint", "even": "boolean", "part": "float", "tag": "half"}


def test_packed_rows_say_the_same_as_rows_one_by_one() -> None:
    plain, packed = (read(ROWS, TYPES, {"n": 200}) for read in (columns_of, many_columns_of))
    order = np.argsort(packed["n"])
    for name, column in plain.items():
        assert column.tolist() == packed[name][order].tolist()
        assert column.dtype == packed[name].dtype
    assert packed["tag"].tolist() == [1] * 200


def test_no_rows_are_empty_columns() -> None:
    found = many_columns_of(ROWS, TYPES, {"n": 0})
    assert {len(column) for column in found.values()} == {0}


def test_moments_are_microseconds_and_lists_come_one_after_the_other() -> None:
    sql = "SELECT 1 AS n, timestamptz '1999-12-31 23:59:59.25Z' AS at, which FROM (VALUES"
    sql += " (ARRAY[7, 8]), ('{}'::int[]), (ARRAY[-9])) AS given(which)"
    found = many_columns_of(sql, {"n": "int", "at": "moment", "which": "ints"}, {})
    at = datetime(1999, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)
    assert found["at"].tolist() == [round(at.timestamp() * 1e6)] * 3
    assert found["which"].tolist() == [2, 0, 1]
    assert found["which.each"].tolist() == [7, 8, -9]


def test_a_null_is_refused_not_skipped() -> None:
    sql = "SELECT n, NULLIF(n, 3) AS m FROM generate_series(1, 5) n"
    with pytest.raises(ValueError, match="1 of 5 rows"):
        many_columns_of(sql, {"n": "int", "m": "int"}, {})
