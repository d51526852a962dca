"""What `make mutation-proof` would find out only after an hour: guards that moved, tests that are gone."""

import pytest

from raya_recs.env import BASE_DIR
from tests.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.guard)
def test_each_guard_stands_where_it_is_broken_and_its_test_exists(mutation: Mutation) -> None:
    assert mutation.line in (BASE_DIR / mutation.file).read_text()
    assert mutation.line != mutation.broken
    path, *names = mutation.test.split("::")
    tests = (BASE_DIR / path).read_text()
    assert all(f"def {name.partition('[')[0]}(" in tests for name in names)
