"""Why somebody is shown, as codes with an argument: only what both sides show each other anyway.

Never: that they like you, gender, orientation, an exact distance, who exactly the mutual connections are.
Delivery renders the codes into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import Pool, Request
from apps.pipeline.features import pairs, registry
from apps.pipeline.features.calendar import day_of
from apps.pipeline.filters.eligibility import market_of
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import partner_masks

Reasons = tuple[tuple[str, str], ...]
REASON_CODES = (
    "same_industry",  # argument: the industry
    "shared_interest",  # the interest
    "shared_skill",  # the skill
    "complementary_crafts",  # the candidate's craft
    "mutual_connections",  # how many
    "distance",  # within how many kilometres: 5, 10, 25, 50
    "newcomer",
    "curated",
    "category",  # the category
    "friends_saved",  # how many, at least 2
    "nearby",  # within how many kilometres
    "taste",  # only where there is nothing else to say
)
MOST = 3
DISTANCES = (5, 10, 25, 50)  # kilometres; further is not said
IN_ORDER = {
    "member": (
        "complementary_crafts", "mutual_connections", "shared_interest", "same_industry", "shared_skill",
        "newcomer", "distance",
    ),
    "place": ("friends_saved", "curated", "category", "nearby"),
}  # fmt: skip
UNSAID = {"dating": ("complementary_crafts", "shared_skill"), "networking": ("distance",)}


def reasons_of(request: Request, table: Table) -> tuple[Reasons, ...]:
    """For each row its first few reasons, the most telling first."""
    if not len(table):
        return ()
    pool = Pool(table, np.zeros(len(table), "u4"))
    said = _member_arguments(request, pool) if table.kind == "member" else _place_arguments(request, pool)
    unsaid = UNSAID.get(request.data.eligibility, ())
    codes = [code for code in IN_ORDER[table.kind] if code not in unsaid]
    rows = zip(*(said[code] for code in codes), strict=True)
    return tuple(
        tuple([(code, word) for code, word in zip(codes, row, strict=True) if word is not None][:MOST])
        or fallback
        for row, fallback in zip(rows, _fallbacks(request, table), strict=True)
    )


def _fallbacks(request: Request, table: Table) -> list[Reasons]:
    """For a row without another reason: that it fits the viewer's own taste, where it does."""
    fits = pairs.dots(request.viewer.row["taste"], table["looks"]) > 0
    return [(("taste", ""),) if fit else () for fit in fits.tolist()]


def _member_arguments(request: Request, pool: Pool) -> dict[str, list[Any]]:
    viewer, table, words = request.viewer.row, pool.table, request.snapshot.vocabulary
    needed = pairs.partners_of(viewer["crafts"], partner_masks(words.get("crafts", ())))
    days = day_of(request.now) - table["joined_day"]
    return {
        "complementary_crafts": _first_words(needed & table["crafts"], words.get("crafts", ())),
        "mutual_connections": _counts(registry.mutual_counts(request, pool), at_least=1),
        "shared_interest": _first_words(viewer["interests"] & table["interests"], words.get("interests", ())),
        "same_industry": _first_words(
            viewer["industries"] & table["industries"], words.get("industries", ())
        ),
        "shared_skill": _first_words(viewer["skills"] & table["skills"], words.get("skills", ())),
        "newcomer": [("" if new else None) for new in (days < registry.NEWCOMER_DAYS).tolist()],
        "distance": _buckets(request, table),
    }


def _place_arguments(request: Request, pool: Pool) -> dict[str, list[Any]]:
    table, categories = pool.table, request.snapshot.vocabulary.get("categories", ())
    return {
        "friends_saved": _counts(registry.friends_saved_counts(request, pool), at_least=2),
        "curated": [("" if value > 0 else None) for value in table["curated"].tolist()],
        "category": [(categories[c] if c < len(categories) else None) for c in table["category"].tolist()],
        "nearby": _buckets(request, table),
    }


def _first_words(masks: npt.NDArray[np.uint64], words: Sequence[str]) -> list[str | None]:
    """The name of the lowest set bit of each; None for an empty set or a bit without a name."""
    lowest = [(mask & -mask).bit_length() - 1 for mask in masks.tolist()]
    return [words[bit] if 0 <= bit < len(words) else None for bit in lowest]


def _counts(counts: npt.NDArray[np.float32], *, at_least: int) -> list[str | None]:
    return [str(count) if count >= at_least else None for count in counts.astype("i8").tolist()]


def _buckets(request: Request, table: Table) -> list[str | None]:
    """The smallest named distance that holds each; None further away, and where one of the two is away from
    home: nobody knows in which part of a market a visitor stays."""
    viewer = request.viewer.row
    if market_of(request) != int(viewer["market"][0]) or pairs.is_visiting(viewer)[0]:
        return [None] * len(table)
    distance = pairs.kilometres(viewer, table)
    if table.kind == "member":
        distance = np.where(pairs.is_visiting(table), np.float32(np.inf), distance)
    bucket = np.searchsorted(np.array(DISTANCES, "f4"), distance)
    names = [*(str(kilometres) for kilometres in DISTANCES), None]
    return [names[b] for b in bucket.tolist()]
