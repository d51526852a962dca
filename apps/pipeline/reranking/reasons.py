"""Why somebody is shown, as codes with an argument: only what both sides show each other anyway.

Never: that they like you, gender, orientation, an exact distance, who exactly the mutual connections are.
Delivery renders the codes into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from apps.pipeline.contracts import F32, I64, Request
from apps.pipeline.features import pairs, registry
from apps.pipeline.features.calendar import day_of
from apps.pipeline.features.stay import months_there
from apps.pipeline.filters.eligibility import market_of
from apps.pipeline.passes import Passes
from apps.pipeline.rules import U64
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import partner_masks

telling = Passes("reranking.telling")

Reason = tuple[str, str]
Reasons = tuple[Reason, ...]
REASON_CODES = (
    "same_industry",  # argument: the industry
    "shared_interest",  # the interest
    "shared_skill",  # the skill
    "complementary_crafts",  # the candidate's craft
    "mutual_connections",  # how many
    "distance",  # within how many kilometres: 5, 10, 25, 50
    "newcomer",
    "curated",
    "in_season",
    "category",  # the category
    "friends_saved",  # how many, at least 2
    "nearby",  # within how many kilometres
    "taste",  # only where there is nothing else to say
)
MOST = 3
MOST_KEPT = 20_000  # in words, of one vocabulary
DISTANCES = (5, 10, 25, 50)  # kilometres; further is not said
KILOMETRES: F32 = np.array(DISTANCES, "f4")
# columns that the compiled passes take, in their order
READ_OF_MEMBERS = (
    "number", "market", "x", "y", "joined_day", "crafts", "interests", "industries", "skills", "looks",
)  # fmt: skip
READ_OF_PLACES = ("number", "market", "x", "y", "category", "curated", "best_months", "looks")
NO_MARKET = -2  # nobody is there
IN_ORDER = {
    "member": (
        "complementary_crafts", "mutual_connections", "shared_interest", "same_industry", "shared_skill",
        "newcomer", "distance",
    ),
    "place": ("friends_saved", "curated", "in_season", "category", "nearby"),
}  # fmt: skip
WORDS = {  # where the arguments of codes have their names
    "complementary_crafts": "crafts", "shared_interest": "interests", "same_industry": "industries",
    "shared_skill": "skills", "category": "categories",
}  # fmt: skip
COUNTS = ("mutual_connections", "friends_saved")
UNSAID = {"dating": ("complementary_crafts", "shared_skill"), "networking": ("distance",)}


def reasons_of(request: Request, table: Table, rows: I64) -> tuple[Reasons, ...]:
    """For each of these rows its first few reasons, the most telling first."""
    if not len(rows):
        return ()
    told = np.empty(len(rows), "i8")
    (_tell_members if table.kind == "member" else _tell_places)(request, table, rows, told)
    said = _said_in(table.kind, tuple(request.snapshot.vocabulary.items()))
    return tuple([said[number] for number in told.tolist()])


class Said(dict[int, Reasons]):
    """Reasons by the number that the compiled pass writes for one candidate; each is put into words once."""

    def __init__(self, kind: str, words: Mapping[str, tuple[str, ...]]) -> None:
        self.codes, self.words = (*IN_ORDER[kind], "taste"), words

    def __missing__(self, number: int) -> Reasons:
        if len(self) >= MOST_KEPT:
            self.clear()
        self[number] = reasons = tuple(self._spelled(number))
        return reasons

    def _spelled(self, number: int) -> Iterator[Reason]:
        while number:
            place, argument = divmod(number & ((1 << telling.BITS) - 1), telling.ARGUMENTS)
            yield self.codes[place - 1], self._word(self.codes[place - 1], argument)
            number >>= telling.BITS

    def _word(self, code: str, argument: int) -> str:
        if code in WORDS:
            return self.words[WORDS[code]][argument]
        if code in ("distance", "nearby"):
            return str(DISTANCES[argument])
        return str(argument) if code in COUNTS else ""


@lru_cache(maxsize=4)  # of two kinds, before and after a swap of snapshots
def _said_in(kind: str, vocabulary: tuple[tuple[str, tuple[str, ...]], ...]) -> Said:
    return Said(kind, dict(vocabulary))


def _tell_members(request: Request, table: Table, rows: I64, told: I64) -> None:
    telling.tell_members(
        told,
        rows,
        _wanted(request),
        request.mutual.numbers,
        request.mutual.counts,
        day_of(request.now) - registry.NEWCOMER_DAYS + 1,
        *_home(request),
        KILOMETRES,
        request.viewer.row["taste"],
        *(table[name] for name in READ_OF_MEMBERS),
    )


def _tell_places(request: Request, table: Table, rows: I64, told: I64) -> None:
    telling.tell_places(
        told,
        rows,
        len(request.snapshot.vocabulary.get("categories", ())),
        *registry.friends_saves(request),
        months_there(request),
        *_home(request),
        KILOMETRES,
        request.viewer.row["taste"],
        *(table[name] for name in READ_OF_PLACES),
    )


def _wanted(request: Request) -> U64:
    """[4] sets of what completes the viewer's crafts, and of their interests, industries and skills, without
    what is not said here or has no name."""
    viewer, vocabulary = request.viewer.row, request.snapshot.vocabulary
    wanted = [0, 0, 0, 0]
    for i, code in enumerate(("complementary_crafts", "shared_interest", "same_industry", "shared_skill")):
        if code not in UNSAID.get(request.data.eligibility, ()):
            words = vocabulary.get(WORDS[code], ())
            theirs = viewer[WORDS[code]]
            if code == "complementary_crafts":
                theirs = pairs.partners_of(theirs, partner_masks(words))
            wanted[i] = int(theirs[0]) & ((1 << len(words)) - 1)
    return np.array(wanted, "u8")


def _home(request: Request) -> tuple[int, int, int]:
    """The viewer's market, and where in it they live; NO_MARKET where it isn't said how near others are, or
    one of the two is away from home: nobody knows in which part of a market a visitor stays."""
    viewer = request.viewer.row
    market, x, y = (int(viewer[name][0]) for name in ("market", "x", "y"))
    is_away = market_of(request) != market or (x, y) == pairs.MIDDLE
    if is_away or "distance" in UNSAID.get(request.data.eligibility, ()):
        market = NO_MARKET
    return market, x, y
