"""The compiled loops over rules and candidates. Import only where they run (numba).

`words` is [words, n]: bit c % 64 of word c // 64 says whether a candidate meets condition c; all meet -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("u8:2", "?", "i4", "f8"), "float64", "float64", *columns("=f8"))
def multiply(
    words: Any, live: Any, conditions: Any, factors: Any, lowest: float, highest: float, product: Any
) -> None:
    """Writes per candidate the product of the factors of the live rules they meet, within bounds."""
    n = len(product)
    product[:] = 1.0
    for r in range(len(conditions)):
        condition, factor = conditions[r], factors[r]
        if not live[r] or factor == 1.0:
            continue
        if condition < 0:
            for i in range(n):
                product[i] *= factor
        else:
            word, bit = condition >> 6, condition & 63
            for i in range(n):
                product[i] *= factor if (words[word, i] >> bit) & 1 else 1.0
    for i in range(n):
        product[i] = min(max(product[i], lowest), highest)


@compiled(*columns("u8:2", "i4", "i4", "=u8:2"), returns="int64")
def gather_words(words: Any, row_of: Any, numbers: Any, out: Any) -> int:
    """Writes the words [rows, words] of these numbers into `out` [words, n]; returns how many have no row."""
    unknown = 0
    for i in range(len(numbers)):
        number = numbers[i]
        row = int(row_of[number]) if 0 <= number < len(row_of) else -1
        unknown += row < 0
        for w in range(len(out)):
            out[w, i] = words[row, w] if row >= 0 else np.uint64(0)
    return unknown


@compiled(*columns("u8:2"), "int64", *columns("i8", "?", "i4", "=i8:2"))
def count_met(words: Any, n: int, shown: Any, live: Any, conditions: Any, counts: Any) -> None:
    """Writes how many of n candidates meet each live rule's condition, and how many of those `shown` do."""
    one = np.uint64(1)
    for r in range(len(conditions)):
        condition = conditions[r]
        if not live[r]:
            continue
        if condition < 0:
            counts[0, r], counts[1, r] = n, len(shown)
            continue
        word, bit = condition >> 6, np.uint64(condition & 63)
        found, there = np.uint64(0), np.uint64(0)
        for i in range(n):
            found += (words[word, i] >> bit) & one
        for k in range(len(shown)):
            there += (words[word, shown[k]] >> bit) & one
        counts[0, r], counts[1, r] = found, there


@compiled(*columns("u8:2", "i8", "?", "i4:2", "i4", "=i4:2"))
def tighten(words: Any, rows: Any, live: Any, limits: Any, conditions: Any, caps: Any) -> None:
    """Lowers `caps` [rows, 2] to the tightest of the [rules, 2] limits of live rules for each; 0: none.

    Candidate i stands in column rows[i] of `words`.
    """
    for r in range(len(conditions)):
        condition = conditions[r]
        if not live[r] or (limits[r, 0] <= 0 and limits[r, 1] <= 0):
            continue
        word, bit = max(condition, 0) >> 6, max(condition, 0) & 63
        for i in range(len(caps)):
            if condition < 0 or (words[word, rows[i]] >> bit) & 1:
                for k in range(2):
                    limit = limits[r, k]
                    if limit > 0 and (caps[i, k] == 0 or limit < caps[i, k]):
                        caps[i, k] = limit
