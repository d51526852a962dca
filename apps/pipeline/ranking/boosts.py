"""Boosts and buries by factor: what staff's rules multiply Phi with, one number per candidate.

Takes the live rules in their order and a pool; gives a product within LOWEST..HIGHEST, or None when no such
rule is live, so that scores stay bit for bit what they were.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.contracts import F64, I32, I64, NO_RULES, NO_WORDS, Pool, Request
from apps.pipeline.passes import Passes
from apps.pipeline.ranking.matching import fill_in, known_rows, meets, words_of
from apps.pipeline.rules import U64
from apps.pipeline.table import Table

multiply = Passes("ranking.multiply")

LOWEST, HIGHEST = 0.1, 4.0


def weigh(request: Request, table: Table, rows: I32 | None = None) -> tuple[U64, F64 | None, I64]:
    """[words, n] the conditions that each candidate meets; [n] the bounded product of their factors, None
    where no such rule is live; [rules] how many candidates each live rule is about, pins aside.

    `rows`: of the table in the snapshot, as in Pool.
    """
    rules = request.rules
    if rules is None or not rules.have("rules"):
        return NO_WORDS, None, NO_RULES
    product, about = np.empty(len(table)), np.empty(len(rules.live), "i8")
    masks, weighs = rules.masks, (rules.live, rules.rules.book, LOWEST, HIGHEST)
    if masks is None:
        words = words_of(request, table)
        multiply.weigh(words, *weighs, product, about)
    else:
        words = np.empty((masks.candidates.shape[1], len(table)), "u8")
        if rows is None:
            rows = known_rows(request, table)
        if multiply.gather_and_weigh(masks.candidates, rows, *weighs, words, product, about):
            fill_in(request, table, rows, words)
            multiply.weigh(words, *weighs, product, about)
    is_off = not rules.have("multiply") or "boosts" in request.params.disabled_stages
    return words, None if is_off else product, about


def steps_of(request: Request, pool: Pool, i: int) -> list[dict[str, Any]]:
    """The rules that row i of a pool meets, as they apply: each one's factor."""
    words = pool.words[:, i : i + 1] if pool.words.size else pool.words
    off = request.rules is None or "boosts" in request.params.disabled_stages
    specs = () if off or request.rules is None else request.rules.specs
    multiply = (spec for spec in specs if spec.kind in ("boost", "bury") and spec.factor != 1.0)
    met = (spec for spec in multiply if meets(words, spec.candidates, 1)[0])
    return [{"rule": spec.key, "kind": spec.kind, "factor": spec.factor} for spec in met]
