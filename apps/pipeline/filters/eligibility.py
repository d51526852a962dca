"""Who may be shown to this viewer: applies a surface's eligibility set to rows of the snapshot or of the overlay.

Retrieval, the guard and explain all come through here. Filters fail closed: an error is raised, and nobody is shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I32, I64, Request
from apps.pipeline.features.calendar import date_of
from apps.pipeline.filters.rules import CODE, ELIGIBILITY
from apps.pipeline.snapshot import SurfaceData, Table

U8 = npt.NDArray[np.uint8]
JUDGED = {  # columns in the order of the compiled predicates
    "member": (
        "market", "gender", "seeking", "birth_date", "age_min", "age_max", "intents", "x", "y", "max_distance",
    ),
    "place": ("market", "is_open"),
}  # fmt: skip


def market_of(request: Request) -> int:
    """Index of the market that the viewer draws from; -1: none."""
    return request.market if request.market >= 0 else int(request.viewer.row["market"][0])


def eligible_rows(request: Request) -> I32:
    """Rows of the viewer's market in the snapshot, ascending, of everybody who may be shown: one compiled pass."""
    from apps.pipeline.filters import predicates

    start, stop = market_rows(request.data, market_of(request))
    table = request.data.candidates
    rows = np.empty(stop - start, "i4")
    scan = predicates.scan_members if table.kind == "member" else predicates.scan_places
    kept = scan(marks_of_rows(request, start, stop), *_columns(table, slice(start, stop)), who(request), rows)
    return rows[:kept] + np.int32(start)


def reasons(request: Request, table: Table, *, rules: int | None = None) -> U8:
    """Per row of a table the code of the first rule that refuses it; 0: may be shown. `rules`: only these (bits)."""
    from apps.pipeline.filters import predicates

    result = np.zeros(len(table), "u1")
    judge = predicates.judge_members if table.kind == "member" else predicates.judge_places
    judge(marks_of_numbers(request, table["number"]), *_columns(table), who(request, rules), result)
    return result


def market_rows(data: SurfaceData, market: int) -> tuple[int, int]:
    """Where the candidates of a market start and stop; (0, 0) for a market that the snapshot does not know."""
    if not 0 <= market < len(data.market_starts) - 1:
        return 0, 0
    return int(data.market_starts[market]), int(data.market_starts[market + 1])


def rows_of(data: SurfaceData, numbers: npt.NDArray[Any]) -> I64:
    """Candidate rows of numbers; -1 for those that the snapshot does not know."""
    numbers = np.asarray(numbers, "i8")
    known = (numbers >= 0) & (numbers < len(data.row_of))
    rows = np.full(len(numbers), -1, "i8")
    rows[known] = data.row_of[numbers[known]]
    return rows


def marks_of_rows(request: Request, start: int, stop: int) -> U8:
    """Per row of a span the code of self, gone or excluded; 0: none of them."""
    marks = np.zeros(stop - start, "u1")
    for name, numbers in _marked(request):
        rows = rows_of(request.data, numbers)
        marks[rows[(rows >= start) & (rows < stop)] - start] = CODE[name]
    return marks


def marks_of_numbers(request: Request, numbers: npt.NDArray[Any]) -> U8:
    """Per number the code of self, gone or excluded; 0: none of them."""
    marks = np.zeros(len(numbers), "u1")
    for name, marked in _marked(request):
        marks[np.isin(numbers, marked)] = CODE[name]
    return marks


def who(request: Request, rules: int | None = None) -> I64:
    """The viewer and the request as the compiled predicates read them."""
    eligibility, row = ELIGIBILITY[request.data.eligibility], request.viewer.row
    market = market_of(request)
    viewer = (
        "gender", "seeking", "birth_date", "age_min", "age_max", "intents", "x", "y", "max_distance",
    )  # fmt: skip
    return np.array(
        [
            eligibility.bits if rules is None else rules,
            eligibility.intents,
            date_of(request.now),
            market,
            int(market == int(row["market"][0])),
            *(int(row[name][0]) for name in viewer),
        ],
        "i8",
    )


def _marked(request: Request) -> list[tuple[str, npt.NDArray[Any]]]:
    """What is known of pairs and rows outside the columns; the later a name, the earlier it is told."""
    marked: list[tuple[str, npt.NDArray[Any]]] = [
        ("excluded", request.viewer.excluded),
        ("gone", request.gone),
    ]
    if request.data.kind == "member":
        marked.append(("self", np.array([request.viewer.number], "i4")))
    return marked


def _columns(table: Table, span: slice = slice(None)) -> list[npt.NDArray[Any]]:
    return [np.asarray(table[name])[span] for name in JUDGED[table.kind]]
