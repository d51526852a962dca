"""Which rules' conditions each candidate meets: from the masks of the snapshot, or evaluated on the spot.

Takes a request and rows, gives words of bits; counts how many rows each rule touched. Decides nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.contracts import I32, I64, NO_WORDS, Mask, Request
from apps.pipeline.filters.eligibility import is_stale, rows_of
from apps.pipeline.masks import condition_words
from apps.pipeline.rules import U64, WORD, LiveRules
from apps.pipeline.sets import positions_in
from apps.pipeline.table import Table


def words_of(request: Request, table: Table) -> U64:
    """[words, n] of a table of candidates, in its order."""
    live = request.rules
    if live is None or not live.rules.candidate_conditions or not live.have("rules"):
        return NO_WORDS
    if live.masks is None:
        conditions = live.rules.candidate_conditions
        return np.ascontiguousarray(condition_words(conditions, table, request.snapshot).T)
    rows = known_rows(request, table)
    known = rows >= 0
    words = np.zeros((live.masks.candidates.shape[1], len(table)), "u8")
    words[:, known] = live.masks.candidates[rows[known]].T
    if not known.all():
        fill_in(request, table, rows, words)
    return words


def known_rows(request: Request, table: Table) -> I32:
    """[n] of a table of candidates in the snapshot; -1: of whom it has no row, or one that is stale."""
    rows = rows_of(request.data, table["number"])
    return np.where(is_stale(request, table["number"]), -1, rows).astype("i4")


def fill_in(request: Request, table: Table, rows: I32, words: U64) -> None:
    """Writes the words [words, n] of those without a row, which the masks don't know."""
    new = np.flatnonzero(rows < 0)
    words[:, new] = _of_newcomers(request, table.pick(new)).T


def words_of_numbers(request: Request, numbers: I32) -> U64:
    """[words, n] of candidates by number; those whom nobody here knows meet nothing."""
    live = request.rules
    if live is None or not live.rules.candidate_conditions:
        return NO_WORDS
    words = np.zeros((len(numbers), -(-len(live.rules.candidate_conditions) // WORD)), "u8")
    rows = rows_of(request.data, numbers)
    known = np.flatnonzero(rows >= 0)
    if live.masks is not None:
        words[known] = live.masks.candidates[rows[known]]
    elif len(known):
        table = request.data.candidates.pick(rows[known])
        words[known] = condition_words(live.rules.candidate_conditions, table, request.snapshot)
    if request.newcomers is not None and len(request.newcomers):
        order = np.argsort(request.newcomers["number"], kind="stable")
        sorted_numbers = request.newcomers["number"][order]
        at = np.minimum(np.searchsorted(sorted_numbers, numbers), len(order) - 1)
        new = np.flatnonzero((sorted_numbers[at] == numbers) & ((rows < 0) | is_stale(request, numbers)))
        if len(new):
            words[new] = _of_newcomers(request, request.newcomers.gather(order[at[new]]))
    return np.ascontiguousarray(words.T)


def meets(words: U64, condition: int, n: int) -> Mask:
    """[n] whether each candidate meets one condition; -1 is met by everybody."""
    if condition < 0 or not words.size:
        return np.full(n, condition < 0)
    bits = words[condition // WORD] >> np.uint64(condition % WORD)
    return np.asarray((bits & np.uint64(1)) == 1)


def effects(live: LiveRules, about: I64, there: I64, numbers: I32, shown: I32) -> dict[str, Any]:
    """How many of the ranked `numbers` each rule is about, and how many of those `shown`.

    `about` and `there` say so of all but pins. As columns in the order in which rules apply, which cost a
    tenth of a mapping by rule: the release names them. A rule that is not live is about nobody.
    """
    book, pool, among = live.rules, about.tolist(), there.tolist()
    for i in book.pin_rows if live.have("pin") else ():
        if live.live[i]:
            pins = book.in_order[i].pins
            pool[i], among[i] = (int(np.isin(pins, of).sum()) for of in (numbers, shown))
    return {"pool": pool, "shown": among}


def _of_newcomers(request: Request, table: Table) -> U64:
    """[n, words] of rows that the snapshot does not know, or knows otherwise."""
    live, newcomers = request.rules, request.newcomers
    assert live is not None
    if live.newcomers is not None and newcomers is not None and len(live.newcomers) == len(newcomers):
        order = np.argsort(newcomers["number"], kind="stable")
        at = positions_in(newcomers["number"][order], table["number"])
        if (at >= 0).all():
            return live.newcomers[order[at]]
    return condition_words(live.rules.candidate_conditions, table, request.snapshot)
