"""Who may be shown to this viewer: applies a surface's eligibility set to rows of the snapshot or of the
overlay.

The guard and explain come through here, and the passes of retrieval call the same predicates. Filters fail
closed: an error is raised, and nobody is shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I32, I64, Mask, Request
from apps.pipeline.features.calendar import date_of
from apps.pipeline.features.stay import last_date_there, months_there
from apps.pipeline.filters.rules import CODE, ELIGIBILITY
from apps.pipeline.passes import Passes
from apps.pipeline.sets import is_in
from apps.pipeline.snapshot import SurfaceData, rows_in
from apps.pipeline.table import Table

predicates = Passes("filters.predicates")

U8 = npt.NDArray[np.uint8]
JUDGED = {  # columns in the order of the compiled predicates
    "member": (
        "market", "gender", "seeking", "birth_date", "age_min", "age_max", "intents", "x", "y",
        "max_distance",
    ),
    "place": ("market", "is_open", "opens_on", "open_months"),
}  # fmt: skip

OF_VIEWER = (
    "gender",
    "seeking",
    "birth_date",
    "age_min",
    "age_max",
    "intents",
    "x",
    "y",
    "max_distance",
)


def market_of(request: Request) -> int:
    """Index of the market that the viewer draws from; -1: none."""
    return request.market if request.market >= 0 else int(request.viewer.row["market"][0])


def refusals(request: Request, table: Table) -> I32:
    """Per row of a table the bits of all rules that refuse it; 0: may be shown."""
    return judge(request, table, marks_of_numbers(request, table["number"]))


def reasons(request: Request, table: Table) -> U8:
    """Per row of a table the code of the first rule that refuses it; 0: may be shown."""
    return first_reason(refusals(request, table))


def first_reason(refused: I32) -> U8:
    """The lowest code of each set of bits; 0 for an empty one."""
    lowest = refused & -refused
    return np.where(lowest > 0, np.bitwise_count(lowest - 1), 0).astype("u1")


def judge(request: Request, table: Table, marks: U8) -> I32:
    """The compiled pass over a table whose marks are known."""
    result = np.empty(len(table), "i4")
    compiled: Any = predicates.judge_members if table.kind == "member" else predicates.judge_places
    compiled(who(request), marks, *(np.asarray(table[name]) for name in JUDGED[table.kind]), result)
    return result


def market_table(request: Request) -> Table:
    """The candidates of the viewer's market, as views."""
    span = slice(*market_rows(request.data, market_of(request)))
    table = request.data.candidates
    return Table(table.kind, {name: np.asarray(column)[span] for name, column in table.columns.items()})


def market_rows(data: SurfaceData, market: int) -> tuple[int, int]:
    """Where the candidates of a market start and stop; (0, 0) for one that the snapshot does not know."""
    if not 0 <= market < len(data.market_starts) - 1:
        return 0, 0
    return int(data.market_starts[market]), int(data.market_starts[market + 1])


def rows_of(data: SurfaceData, numbers: npt.NDArray[Any]) -> I64:
    """Candidate rows of numbers; -1 for those that the snapshot does not know."""
    return rows_in(data.row_of, numbers)


def is_stale(request: Request, numbers: npt.NDArray[Any]) -> Mask:
    """Of whom the overlay has a newer row than the snapshot, or nobody has one."""
    return is_in(numbers, request.stale)


def marks_of_rows(request: Request, start: int, stop: int) -> U8:
    """Per row of a span the bits of self, gone and excluded; a row that is stale is gone."""
    marks = np.zeros(stop - start, "u1")
    for bit, numbers in (*_marked(request), (1 << CODE["gone"], request.stale)):
        if len(numbers):
            predicates.mark_rows(numbers, request.data.row_of, start, stop, bit, marks)
    return marks


def marks_of_numbers(request: Request, numbers: npt.NDArray[Any]) -> U8:
    """Per number the bits of self, gone and excluded."""
    marks = np.zeros(len(numbers), "u1")
    for bit, marked in _marked(request):
        marks[np.isin(numbers, marked)] |= np.uint8(bit)
    return marks


def who(request: Request) -> tuple[int, ...]:
    """The viewer and the request as the compiled predicates read them."""
    eligibility, row = ELIGIBILITY[request.data.eligibility], request.viewer.row
    market = market_of(request)
    return (
        eligibility.bits,
        eligibility.intents,
        date_of(request.now),
        market,
        int(market == int(row["market"][0])),
        *[row.columns[name].item(0) for name in OF_VIEWER],
        months_there(request),
        last_date_there(request),
    )


def _marked(request: Request) -> list[tuple[int, npt.NDArray[Any]]]:
    """What is known of pairs and rows outside the columns: a rule's bit, and for whom it stands."""
    marked = {"excluded": request.viewer.excluded, "gone": request.gone}
    if request.data.kind == "member":
        marked["self"] = np.array([request.viewer.number], "i4")
    return [(1 << CODE[name], numbers) for name, numbers in marked.items()]
