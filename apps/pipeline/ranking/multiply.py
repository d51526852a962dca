"""The compiled loops over rules and candidates. Import only where they run (numba).

`words` is [words, n]: bit c % 64 of word c // 64 says whether a candidate meets condition c; all meet -1.
"""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("u8:2", "u1", "i4", "f8"), "float64", "float64", *columns("=f8"))
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


@compiled(*columns("u8:2"), "int64", *columns("u1", "i4", "=i8"))
def count_met(words: Any, n: int, live: Any, conditions: Any, counts: Any) -> None:
    """Writes how many candidates meet each live rule's condition."""
    for r in range(len(conditions)):
        condition = conditions[r]
        if not live[r]:
            continue
        if condition < 0:
            counts[r] = n
        else:
            word, bit, found = condition >> 6, condition & 63, 0
            for i in range(n):
                found += (words[word, i] >> bit) & 1
            counts[r] = found


@compiled(*columns("u8:2", "u1", "i4:2", "i4", "=i4:2"))
def tighten(words: Any, live: Any, limits: Any, conditions: Any, caps: Any) -> None:
    """Lowers `caps` [n, 2] to the tightest of the [rules, 2] limits that a candidate meets; 0: none."""
    for r in range(len(conditions)):
        condition = conditions[r]
        if not live[r]:
            continue
        word, bit = max(condition, 0) >> 6, max(condition, 0) & 63
        for i in range(len(caps)):
            if condition < 0 or (words[word, i] >> bit) & 1:
                for k in range(2):
                    limit = limits[r, k]
                    if limit > 0 and (caps[i, k] == 0 or limit < caps[i, k]):
                        caps[i, k] = limit
