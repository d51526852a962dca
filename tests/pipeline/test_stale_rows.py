"""Rows of the overlay instead of the snapshot's: the list is that of a snapshot with those rows in it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.pipeline.contracts import Request
from apps.pipeline.masks import condition_words
from apps.pipeline.params import PipelineParams
from apps.pipeline.run import explain, run
from apps.pipeline.table import Table, as_refreshed, without_refreshed
from tests.pipeline.markets import member_table, random_members, request_for, snapshot_of
from tests.pipeline.rulebook import live, rules_of, spec

N = 120
PARAMS = PipelineParams(lineup="people", weights={"closeness": 0.1, "same_industry": 0.2})


def edited(table: Table, numbers: np.ndarray, seed: int) -> Table:
    """These members with other profiles, and what a refresh knew of them; by number."""
    rows = np.searchsorted(table["number"], numbers)
    drawn = random_members(len(table), seed).gather(rows)
    columns = {**drawn.columns, "number": numbers.astype("i4")}
    return as_refreshed(Table("member", columns), table.gather(rows))


def by_number(table: Table) -> Table:
    return table.gather(np.argsort(table["number"]))


@given(st.integers(0, 2**16), st.sets(st.integers(1, N), max_size=40), st.integers(1, N))
@settings(max_examples=40, deadline=None)
def test_the_list_is_that_of_a_snapshot_with_the_fresh_rows(
    seed: int, changed: set[int], viewer: int
) -> None:
    before = by_number(random_members(N, seed))
    numbers = np.array(sorted(changed), "i4")
    fresh = edited(before, numbers, seed + 1)
    rest = before.gather(np.flatnonzero(~np.isin(before["number"], numbers)))
    after = by_number(rest.concat(fresh))
    row = after.gather(np.array([viewer - 1]))

    old, new = snapshot_of(before), snapshot_of(after)
    boost = spec("climbers", candidates=0, factor=3.0)
    words = condition_words(rules_of(boost).candidate_conditions, fresh, old)
    wanted = request_for(new, row, params=PARAMS, rules=live(new, boost, viewer=viewer))
    given_ = request_for(
        old, row, params=PARAMS, rules=live(old, boost, viewer=viewer, newcomers=words),
        newcomers=fresh, stale=numbers,
    )  # fmt: skip
    expected, found = run(wanted, detailed=True), run(given_, detailed=True)
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)
    assert found.eligible == expected.eligible

    some = np.arange(1, N, 3, dtype="i4")
    narrow = [run(replace(request, only=some)).numbers.tolist() for request in (wanted, given_)]
    assert narrow[0] == narrow[1]


def two() -> tuple[Request, Table]:
    """A viewer, and one who looked for everybody but looks for nobody any more."""
    snapshot = snapshot_of(member_table([{}, {}]))
    fresh = member_table([{"seeking": 0}], first_number=2)
    return request_for(snapshot, 1, newcomers=fresh, stale=np.array([2], "i4")), fresh


def test_whoever_is_stale_without_another_row_is_not_shown() -> None:
    request, _ = two()
    assert run(replace(request, stale=np.zeros(0, "i4"))).numbers.tolist() == [2]
    assert run(request).numbers.tolist() == []
    assert run(replace(request, newcomers=None)).numbers.tolist() == []


def test_the_fresh_row_is_explained() -> None:
    request, _ = two()
    assert explain(request, 2).code == "gender_sought_by_candidate"
    assert explain(replace(request, newcomers=None), 2).code == "unknown"


def test_what_only_a_refresh_knows_is_filled_in_again() -> None:
    known = random_members(6, 2)
    row = Table("member", {**random_members(6, 3).columns, "number": known["number"]})
    full = as_refreshed(row, known)
    again = as_refreshed(without_refreshed(full, np.arange(6)), known)
    for name, column in full.columns.items():
        assert again[name].tobytes() == column.tobytes(), name
    assert full["taste"].tobytes() == known["taste"].tobytes()
    assert full["industries"].tobytes() == row["industries"].tobytes()
