"""Which taste for places foretells where people go next: on real check-ins, on a later slice of time.

Takes who went where, early and late, with the places' markets; gives per method a row of figures with
intervals. The methods are popularity, the log-odds model of `learn_places`, EASE, and what is served: both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apps.learning.as_of import NOTHING_EARLIER
from apps.learning.decisions import decisions_of
from apps.learning.ease import alike_graph
from apps.learning.places import learn_places
from apps.pipeline.contracts import F64, I32, I64
from apps.pipeline.features.chances import like_probability
from apps.pipeline.features.pairs import look_up
from apps.pipeline.features.registry import FEATURES
from apps.pipeline.graph import NEAREST
from apps.pipeline.ranking.predictions import pair_features
from apps.pipeline.table import table_from_columns

SHOWN, RECALLED = 10, 20  # of NDCG, of recall
RESAMPLES, SEED = 1000, 12
TODAY = 20250601
SECONDS = 60.0  # from one check-in to the next: the data tells their order alone

Score = Callable[[int, I64], F64]  # of a member, by rows of places


@dataclass(frozen=True)
class CheckIns:
    """Rows of members and places; early ones in their order, `late` to be foretold."""

    early: tuple[I64, I64]
    between: tuple[I64, I64]  # after the early ones: known by then, and asked for by nobody
    late: tuple[I64, I64]
    members: int
    market: I32  # [places]
    x: I32  # [places] as in a snapshot
    y: I32

    @property
    def home(self) -> I32:
        """[members] the market where each went most."""
        counts = np.zeros((self.members, int(self.market.max(initial=0)) + 1), "i4")
        np.add.at(counts, (self.early[0], self.market[self.early[1]]), 1)
        return np.asarray(counts.argmax(axis=1), "i4")


@dataclass(frozen=True)
class Figures:
    """Means over members, and how far ahead of the log-odds model: mean, and an interval of 95 %."""

    members: int
    recall: tuple[float, float, float, float]
    ndcg: tuple[float, float, float, float]


def compare(found: CheckIns, *, every: int = 1) -> dict[str, Figures]:
    """By method. `every`: only every so many-th member is asked for."""
    scores = _methods(found)
    by_member = {name: _asked(found, score, every) for name, score in scores.items()}
    base = by_member["log-odds"]
    return {name: _figures(rows, base) for name, rows in by_member.items()}


def _methods(found: CheckIns) -> Mapping[str, Score]:
    members, places = found.early
    counts = np.bincount(places, minlength=len(found.market)).astype("f8")
    home = found.home
    first = np.full(found.members, -1)
    first[members[::-1]] = places[::-1]  # a check-in at home stands for where they live
    at_home = found.market[first] == home
    viewers = table_from_columns(
        "member",
        {
            "number": np.arange(found.members) + 1, "market": home, "birth_date": 19900101,
            "x": np.where(at_home, found.x[first], 1), "y": np.where(at_home, found.y[first], 1),
        },
        found.members,
    )  # fmt: skip
    numbers = np.arange(len(found.market), dtype="i4") + 1
    table = table_from_columns(
        "place",
        {"number": numbers, "market": found.market, "x": found.x, "y": found.y, "is_open": 1},
        len(numbers),
    )
    at = 1.7e9 + SECONDS * np.arange(len(members))
    none = np.zeros(0, "i4")
    learnt = learn_places(
        table,
        viewers,
        decisions_of(members.astype("i4"), places.astype("i4"), np.ones(len(members), "?"), at),
        shown=decisions_of(none, none, np.zeros(0, "?"), np.zeros(0)),
        popularity=np.log1p(counts),
        today=TODAY,
        before=(NOTHING_EARLIER, NOTHING_EARLIER),
    )
    graph = alike_graph(
        (members + 1).astype("i4"), (places + 1).astype("i4"), numbers=numbers, markets=found.market
    )

    def log_odds(member: int, rows: I64) -> F64:
        assert learnt.viewers is not None
        one, some = learnt.viewers.gather(np.array([member])), learnt.table.pick(rows)
        features = pair_features(one, some, kind="place", partners=None)
        return like_probability(features, learnt.models["like"]).astype("f8")

    def alike(member: int, rows: I64) -> F64:
        targets, weights = graph.weighted(member + 1)
        return look_up(numbers[rows], targets, weights / np.float32(NEAREST)).astype("f8")

    weight = FEATURES["place"]["alike"].weight
    return {
        "popularity": lambda member, rows: counts[rows],
        "log-odds": log_odds,
        "EASE": lambda member, rows: alike(member, rows) + 1e-6 * counts[rows],
        "both, as served": lambda member, rows: log_odds(member, rows) + weight * alike(member, rows),
    }


def _asked(found: CheckIns, score: Score, every: int) -> npt.NDArray[np.float64]:
    """[members, 2] recall and NDCG of each member who went somewhere new at home."""
    home, of_market = found.home, {m: np.flatnonzero(found.market == m) for m in np.unique(found.market)}
    members, places = (np.concatenate(both) for both in zip(found.early, found.between, strict=True))
    known, later = _by_member(members, places, found.members), _by_member(*found.late, found.members)
    rows = []
    for member in range(0, found.members, every):
        items = of_market[home[member]]
        items = items[~np.isin(items, known[member])]
        wanted = np.isin(items, later[member])
        if not wanted.any():
            continue
        best = np.lexsort((items, -score(member, items)))[:RECALLED]
        hits, total = wanted[best], int(wanted.sum())
        gain = 1.0 / np.log2(np.arange(SHOWN) + 2)
        reached = (hits[:SHOWN] * gain[: len(hits[:SHOWN])]).sum() / gain[: min(total, SHOWN)].sum()
        rows.append((hits.sum() / min(total, RECALLED), reached))
    return np.array(rows).reshape(-1, 2)


def _by_member(members: I64, places: I64, n: int) -> list[npt.NDArray[np.int64]]:
    order = np.argsort(members, kind="stable")
    return np.split(places[order], np.searchsorted(members[order], np.arange(1, n)))


def _figures(rows: npt.NDArray[np.float64], base: npt.NDArray[np.float64]) -> Figures:
    draw = np.random.default_rng(SEED)
    picked = draw.integers(0, len(rows), (RESAMPLES, len(rows)))
    found = []
    for column in range(2):
        ahead = rows[:, column] - base[:, column]
        low, high = np.percentile(ahead[picked].mean(axis=1), [2.5, 97.5])
        found.append((float(rows[:, column].mean()), float(ahead.mean()), float(low), float(high)))
    return Figures(len(rows), *found)
