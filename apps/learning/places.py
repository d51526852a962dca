"""All that a surface of places learns from saves: taste of members, looks of places, the model of a save.

Saves have no passes: the model's other class is places that were shown and not saved or, without such,
places of the same market drawn at random. Its probabilities are right among such pairs, not in the whole
city.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.content import Target, fit_map
from apps.learning.decisions import Decisions, decisions_of, split_by_time
from apps.learning.factors import factorise
from apps.learning.like_model import features_of, fit_like_model, measure
from apps.learning.members import EARLIER, FITTED, Learnt
from apps.learning.representation import BLEND, blended, with_columns
from apps.learning.shrinkage import counts
from apps.pipeline.features.tower import profile_matrix
from apps.pipeline.snapshot import Table

DRAWN = 4  # places drawn for each save, where nothing was shown
FEWEST_SHOWN = 500  # impressions without a save, below which places are drawn
SEED = 20_260_102


def learn_places(
    places: Table,
    viewers: Table,
    saves: Decisions,
    *,
    shown: Decisions,
    popularity: npt.NDArray[Any],
    today: int,
) -> Learnt:
    """Learns one surface. `saves` are all liked, `shown` are impressions; by row of viewers and places."""
    places = with_columns(places, {"popularity": popularity})
    models, report = _save_model(places, viewers, saves, shown, today)
    columns, content = _represent(places, viewers, saves, today)
    return Learnt(
        table=with_columns(places, {"looks": columns["looks"]}),
        viewers=with_columns(viewers, {"taste": columns["taste"]}),
        content=content,
        models=models,
        report={"saves": len(saves), "shown": len(shown), **report},
    )


def _represent(
    places: Table, viewers: Table, saves: Decisions, today: int
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """Columns and maps; whoever has few saves leans on the profile."""
    taste, looks = factorise(saves, len(viewers), len(places), passes=False)
    columns, content = {}, {}
    for table, column, name, vectors, rows in (
        (viewers, "taste", "taste_weights", taste, saves.source),
        (places, "looks", "place_looks_weights", looks, saves.target),
    ):
        profiles = profile_matrix(table, table.kind, today=today)
        n = counts(rows, len(table))
        content[name] = fit_map(profiles, Target(vectors, n / (n + BLEND)))
        columns[column] = blended(vectors, profiles @ content[name], n, BLEND)
    return columns, content


def _save_model(
    places: Table, viewers: Table, saves: Decisions, shown: Decisions, today: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    earlier, later = split_by_time(saves, EARLIER)
    if len(later) == 0:
        return {}, {}
    columns, _ = _represent(places, viewers, earlier, today)
    past_places = with_columns(places, {"looks": columns["looks"]})
    past_viewers = with_columns(viewers, {"taste": columns["taste"]})
    pairs = _with_other_class(places, saves, later, shown)
    fitted, last = split_by_time(pairs, FITTED)
    report: dict[str, Any] = {}
    judged = fit_like_model(features_of(past_viewers, past_places, fitted, None), fitted.liked)
    if judged is not None and len(last):
        report["save"] = measure(features_of(past_viewers, past_places, last, None), last.liked, judged)
    final = fit_like_model(features_of(past_viewers, past_places, pairs, None), pairs.liked)
    return ({"like": final} if final else {}), report


def _with_other_class(places: Table, saves: Decisions, later: Decisions, shown: Decisions) -> Decisions:
    """The later saves, and pairs without any save: shown in the same time or, with too few, drawn."""
    since = shown.take(shown.at >= later.at.min())
    known = np.unique(_pair_keys(saves.source, saves.target, len(places)))
    others = _without(since, known, len(places))
    if len(others) < FEWEST_SHOWN:
        others = _without(_drawn(places, later), known, len(places))
    return decisions_of(
        np.concatenate([later.source, others.source]),
        np.concatenate([later.target, others.target]),
        np.concatenate([later.liked, np.zeros(len(others), "?")]),
        np.concatenate([later.at, others.at]),
    )


def _drawn(places: Table, saves: Decisions) -> Decisions:
    """For each save DRAWN places of the same market, at random; `places` are sorted by market."""
    again = saves.take(np.repeat(np.arange(len(saves)), DRAWN))
    market = places["market"][again.target]
    start = np.searchsorted(places["market"], market, "left")
    size = np.searchsorted(places["market"], market, "right") - start
    target = start + np.floor(np.random.default_rng(SEED).random(len(again)) * size).astype("i8")
    return decisions_of(again.source, target, np.zeros(len(again), "?"), again.at)


def _without(pairs: Decisions, known: npt.NDArray[np.int64], n: int) -> Decisions:
    """Each pair once, those in `known` left out."""
    keys, first = np.unique(_pair_keys(pairs.source, pairs.target, n), return_index=True)
    return pairs.take(first[~np.isin(keys, known)])


def _pair_keys(source: npt.NDArray[Any], target: npt.NDArray[Any], n: int) -> npt.NDArray[np.int64]:
    keys: npt.NDArray[np.int64] = source.astype("i8") * max(n, 1) + target
    return keys
