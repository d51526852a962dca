"""Which rules' conditions each candidate meets: from the masks of the snapshot, or evaluated on the spot.

Takes a request and rows, gives words of bits; counts how many rows each rule touched. Decides nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.contracts import I32, I64, NO_WORDS, Mask, Request
from apps.pipeline.filters.eligibility import is_stale, positions_in, rows_of
from apps.pipeline.masks import condition_words
from apps.pipeline.rules import U64, WORD, LiveRules
from apps.pipeline.table import Table


def words_of(request: Request, table: Table) -> U64:
    """[words, n] of a table of candidates, in its order."""
    live = request.rules
    if live is None or not live.rules.candidate_conditions or not live.counts["rules"]:
        return NO_WORDS
    if live.masks is None:
        conditions = live.rules.candidate_conditions
        return np.ascontiguousarray(condition_words(conditions, table, request.snapshot).T)
    from apps.pipeline.ranking.multiply import gather_words

    words = np.empty((live.masks.candidates.shape[1], len(table)), "u8")
    if gather_words(live.masks.candidates, request.data.row_of, table["number"], words) or len(request.stale):
        unknown = rows_of(request.data, table["number"]) < 0
        new = np.flatnonzero(unknown | is_stale(request, table["number"]))
        words[:, new] = _of_newcomers(request, table.gather(new)).T
    return words


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


def effects(request: Request, words: U64, numbers: I32, shown: I64) -> dict[str, Any]:
    """How many of these candidates each rule is about, and how many of those in the columns `shown`.

    As columns (`keys` of all rules, `pool`, `shown`), which cost a tenth of a mapping by rule; a rule that is
    not live is about nobody.
    """
    live = request.rules
    if live is None or not live.counts["rules"]:
        return {}
    among, there = _counts(live, words, numbers, shown).tolist()
    return {"keys": live.rules.keys, "pool": among, "shown": there}


def _counts(live: LiveRules, words: U64, numbers: I32, shown: I64) -> I64:
    """[2, rules] how many of the candidates each live rule is about, and how many of those shown."""
    from apps.pipeline.ranking import multiply

    counts = np.zeros((2, len(live.live)), "i8")
    multiply.count_met(words, len(numbers), shown, live.live, live.rules.conditions, counts)
    for i in live.rules.pin_rows if live.counts["pin"] else ():
        if live.live[i]:
            pins = live.rules.in_order[i].pins
            counts[:, i] = np.isin(pins, numbers).sum(), np.isin(pins, numbers[shown]).sum()
    return counts


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
