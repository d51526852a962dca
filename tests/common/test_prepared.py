"""The hot path's statements are planned once per connection."""

import psycopg
import pytest
from django.db import connection

from apps.common.prepared import rows_of

pytestmark = pytest.mark.django_db
SQL = "SELECT %s::int AS asked_again_and_again"
KEPT = "SELECT count(*) FROM pg_prepared_statements WHERE position(%s in statement) > 0"


def test_a_statement_that_is_asked_again_is_kept_by_the_server() -> None:
    assert rows_of(KEPT, ["asked_again"]) == [(0,)]
    assert [rows_of(SQL, [i]) for i in range(8)] == [[(i,)] for i in range(8)]
    assert rows_of(KEPT, ["asked_again"]) == [(1,)]


@pytest.mark.django_db(transaction=True)
def test_a_column_that_a_migration_changes_is_read_on() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changes_under_way AS SELECT 1::int AS n")
    try:
        assert rows_of("SELECT n FROM changes_under_way") == [(1,)]
        with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
            other.execute("ALTER TABLE changes_under_way ALTER n TYPE bigint")
        assert [rows_of("SELECT n FROM changes_under_way") for _ in range(2)] == [[(1,)]] * 2
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE changes_under_way")
