"""The compiled loops over rules and candidates. Named where they are used by Passes.

`words` is [words, n]: bit c % 64 of word c // 64 says whether a candidate meets condition c; all meet -1.
`book` [4, rules]: see SurfaceRules.book. One array of several rows costs a fraction of several arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled, part

CONDITION, FACTOR, DAILY = 0, 1, 2  # as in rules.py: a constant of another file would not renew the cache
EVERY_EIGHTH = 0x0101010101010101
MOST_IN_A_BYTE = 255


@part
def count_conditions(words: Any, n: int, counts: Any) -> None:
    """Writes how many of n candidates meet each condition; the bits of eight bytes are added up at once."""
    in_bytes = np.zeros(8, np.uint64)
    for w in range(len(words)):
        start = 0
        while start < n:
            stop = min(start + MOST_IN_A_BYTE, n)
            in_bytes[:] = 0
            for i in range(start, stop):
                word = words[w, i]
                for k in range(8):
                    in_bytes[k] += (word >> np.uint64(k)) & np.uint64(EVERY_EIGHTH)
            for bit in range(64):
                counts[64 * w + bit] += (in_bytes[bit & 7] >> np.uint64(bit & 56)) & np.uint64(255)
            start = stop


@part
def gather(words: Any, rows: Any, out: Any) -> int:
    """Writes the words [all rows, words] of these rows into `out` [words, n]; returns how many are -1: of
    those nothing is known."""
    unknown = 0
    for i in range(len(rows)):
        row = rows[i]
        unknown += row < 0
        for w in range(len(out)):
            out[w, i] = words[row, w] if row >= 0 else np.uint64(0)
    return unknown


@part
def add_up(words: Any, live: Any, book: Any, lowest: float, highest: float, product: Any, about: Any) -> None:
    """See weigh."""
    n = len(product)
    counts = np.zeros(64 * len(words), np.int64)
    count_conditions(words, n, counts)
    product[:] = 1.0
    for r in range(len(live)):
        condition, factor = int(book[CONDITION, r]), book[FACTOR, r]
        about[r] = 0 if not live[r] else n if condition < 0 else counts[condition]
        if about[r] == 0 or factor == 1.0:
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


@compiled(*columns("u8:2", "?", "f8:2"), "float64", "float64", *columns("=f8", "=i8"))
def weigh(words: Any, live: Any, book: Any, lowest: float, highest: float, product: Any, about: Any) -> None:
    """Writes per candidate the product of the factors of the live rules they meet, within bounds; and per
    rule how many meet it, 0 of one that is not live."""
    add_up(words, live, book, lowest, highest, product, about)


@compiled(
    *columns("u8:2", "i4", "?", "f8:2"), "float64", "float64", *columns("=u8:2", "=f8", "=i8"),
    returns="int64",
)  # fmt: skip
def gather_and_weigh(
    masks: Any, rows: Any, live: Any, book: Any, lowest: float, highest: float,
    words: Any, product: Any, about: Any,
) -> int:  # fmt: skip
    """The words of the masks that these rows have, and both of weigh. Returns how many rows are -1; with any,
    nothing is weighed."""
    unknown = int(gather(masks, rows, words))
    if unknown == 0:
        add_up(words, live, book, lowest, highest, product, about)
    return unknown


@compiled(*columns("u8:2", "i8"), "int64", *columns("?", "f8:2", "=i4:2", "=i8"))
def look_at(words: Any, rows: Any, shown: int, live: Any, book: Any, caps: Any, there: Any) -> None:
    """Lowers `caps` [rows, 2], exposures in a day and in an hour (0: no limit), to the tightest of the live
    rules that each candidate meets; and writes per rule how many of the first `shown` meet it.

    Candidate i stands in column rows[i] of `words`.
    """
    for r in range(len(live)):
        there[r] = 0
        if not live[r]:
            continue
        condition = int(book[CONDITION, r])
        is_cap = book[DAILY, r] > 0 or book[DAILY + 1, r] > 0
        word, bit = max(condition, 0) >> 6, np.uint64(max(condition, 0) & 63)
        for i in range(len(rows) if is_cap else shown):
            if condition >= 0 and (words[word, rows[i]] >> bit) & np.uint64(1) == 0:
                continue
            there[r] += i < shown
            for k in range(2 if is_cap else 0):
                limit = np.int32(book[DAILY + k, r])
                if limit > 0 and (caps[i, k] == 0 or limit < caps[i, k]):
                    caps[i, k] = limit
