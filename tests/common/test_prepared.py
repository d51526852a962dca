"""The hot path's statements are planned once per connection."""

import pytest

from apps.common.prepared import rows_of

pytestmark = pytest.mark.django_db
SQL = "SELECT %s::int AS asked_again_and_again"
KEPT = "SELECT count(*) FROM pg_prepared_statements WHERE position(%s in statement) > 0"


def test_a_statement_that_is_asked_again_is_kept_by_the_server() -> None:
    assert rows_of(KEPT, ["asked_again"]) == [(0,)]
    assert [rows_of(SQL, [i]) for i in range(8)] == [[(i,)] for i in range(8)]
    assert rows_of(KEPT, ["asked_again"]) == [(1,)]
