"""An earlier snapshot's learnt numbers, on tables that are read anew.

Whoever stood in the earlier snapshot keeps what was learnt of them, even after an edit of their profile; for
everybody else the content tower says what their profile tells. Both wait for the next learning.
"""

from __future__ import annotations

import numpy as np

from apps.learning.members import Learnt
from apps.learning.representation import with_columns
from apps.pipeline.contracts import I32
from apps.pipeline.features.tower import embed
from apps.pipeline.snapshot import Snapshot
from apps.pipeline.table import LEARNT, Table

COLUMNS = {"member": (*LEARNT, "popularity"), "place": ("looks", "popularity")}


def keep_learnt(before: Snapshot, surface: str, table: Table, viewers: Table | None, *, today: int) -> Learnt:
    """The surface as `before` learnt it. `viewers`: on a surface of places."""
    data = before.surfaces[surface]
    own = f"{surface}."

    def carried(table: Table, earlier: Table, row_of: I32) -> Table:
        rows = _rows(row_of, table["number"])
        strangers, known = np.flatnonzero(rows < 0), np.flatnonzero(rows >= 0)
        fresh = embed(table.gather(strangers), surface=surface, content=before.content, today=today)
        columns = {}
        for name in COLUMNS[table.kind]:
            column = np.empty_like(table[name])
            column[known], column[strangers] = earlier.take(name, rows[known]), fresh[name]
            columns[name] = column
        return with_columns(table, columns)

    return Learnt(
        table=carried(table, data.candidates, data.row_of),
        viewers=None if viewers is None else carried(viewers, data.viewers, data.viewer_row_of),
        content={
            name.removeprefix(own): np.array(array)
            for name, array in before.content.items()
            if name.startswith(own)
        },
        models=data.models,
        arrays={name: np.array(array) for name, array in data.arrays.items()},
    )


def _rows(row_of: I32, numbers: I32) -> I32:
    """Where each number stood; -1 for those who did not."""
    known = numbers < len(row_of)
    rows = np.full(len(numbers), -1, "i4")
    rows[known] = row_of[numbers[known]]
    return rows
