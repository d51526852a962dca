"""All that a surface of places learns from saves: taste of members, looks of places, the rankers.

Saves have no passes: their other class is places that were shown and not saved or, without such, places of
the same market drawn at random. Probabilities are right among such pairs, not in the whole city.

Taste times looks is the log-odds of a save, beside the member's own readiness to save: the last column is
how well a place is liked by anybody, the others how the place's profile fits the member's, both moved by
what the two did themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning.as_of import NOTHING_EARLIER, NOTHING_SERVED, Earlier, PairsOf, Past, ServedPairs
from apps.learning.content import Target, fit_map
from apps.learning.decisions import Decisions, decisions_of, split_by_time
from apps.learning.judging import NO_GROUPINGS, Groupings, Groups
from apps.learning.members import EARLIER, Learnt, rows_then
from apps.learning.pair_map import fit_pair_map, moved, residuals
from apps.learning.rankers import Rankers, fit_rankers
from apps.learning.representation import Representation, with_columns
from apps.learning.shrinkage import counts, fit_effects, log_odds, unshrunk
from apps.pipeline.contracts import F32
from apps.pipeline.features.tower import profile_matrix
from apps.pipeline.table import DIMENSIONS, Table

DRAWN = 4  # places drawn for each save, where nothing was shown
FEWEST_SHOWN = 500  # impressions without a save, below which places are drawn
SEED = 20_260_102
K = 10.0  # decisions that weigh as much as the prior, for effects
OWN = 5.0  # the same for taste and looks, beside what profiles say
MODEL = ("affinity", "selectivity", "curated", "distance_log", "price_band")  # popularity has seen the labels

Columns = dict[str, npt.NDArray[Any]]


def learn_places(
    places: Table,
    viewers: Table,
    saves: Decisions,
    *,
    shown: Decisions,
    popularity: npt.NDArray[Any],
    today: int,
    before: tuple[Earlier, Earlier] = (NOTHING_EARLIER, NOTHING_EARLIER),
    served: ServedPairs = NOTHING_SERVED,
    groupings: Groupings = NO_GROUPINGS,
) -> Learnt:
    """Learns one surface. `saves` are all liked, `shown` are impressions; by row of viewers and places.

    `before`: what those of viewers and of places replaced; `served`: features that were logged with lists;
    `groupings`: of rows of `viewers`, by which predictions are judged, too.
    """
    places = with_columns(places, {"popularity": popularity})
    pairs = _with_other_class(places, saves, shown)
    profiles = tuple(profile_matrix(table, table.kind, today=today) for table in (viewers, places))
    ranked = _rankers(places, viewers, pairs, profiles, before, served, today, groupings)
    of_viewers, of_places, content = _represent(pairs, *profiles)
    return Learnt(
        table=with_columns(places, of_places.columns),
        viewers=with_columns(viewers, of_viewers.columns),
        content=content,
        models=ranked.models,
        arrays=ranked.arrays,
        report={"saves": len(saves), "shown": len(shown), "models": sorted(ranked.models), **ranked.report},
    )


def _represent(pairs: Decisions, viewers: F32, places: F32) -> tuple[Representation, Representation, Columns]:
    """Columns of viewers and of places, and the tower's maps; both sides by their profiles."""
    plain = fit_effects(pairs, len(viewers), len(places), k=K)
    selectivity, appeal = (
        fit_map(profiles, Target(unshrunk(effect, reliability), reliability))
        for profiles, effect, reliability in (
            (viewers, plain.selectivity, plain.selectivity_reliability),
            (places, plain.appeal, plain.appeal_reliability),
        )
    )
    effects = fit_effects(
        pairs,
        len(viewers),
        len(places),
        selectivity_prior=viewers @ selectivity,
        appeal_prior=places @ appeal,
        k=K,
    )
    expected = log_odds(effects, pairs)
    fit = fit_pair_map(viewers, places, residuals(pairs, expected), factors=DIMENSIONS - 1)
    taste, looks = _by_behaviour(pairs, expected, viewers @ fit.taste, places @ fit.looks)
    one = np.zeros(viewers.shape[1], "f4")
    one[-1] = 1.0  # the last column of a profile
    content = {
        "taste_weights": np.column_stack([fit.taste, one]),
        "place_looks_weights": np.column_stack([fit.looks, appeal]),
        "selectivity_weights": selectivity,
    }
    given, received = counts(pairs.source, len(viewers)), counts(pairs.target, len(places))
    of_viewers = Representation(
        {"taste": np.column_stack([taste, np.ones(len(taste))]), "selectivity": effects.selectivity},
        content,
        effects.mean,
        {"taste": given / (given + OWN), "selectivity": effects.selectivity_reliability},
    )
    of_places = Representation(
        {"looks": np.column_stack([looks, effects.appeal])},
        {"looks_weights": content["place_looks_weights"]},
        effects.mean,
        {"looks": received / (received + OWN)},
    )
    return of_viewers, of_places, content


def _by_behaviour(
    pairs: Decisions, expected: npt.NDArray[np.float64], taste: F32, looks: F32
) -> tuple[F32, F32]:
    """Taste, then looks, each moved from what the profile says by its own decisions."""
    for_viewers = residuals(pairs, expected + _dots(taste, looks, pairs))
    taste = moved(taste, looks, pairs.source, pairs.target, for_viewers, OWN)
    for_places = residuals(pairs, expected + _dots(taste, looks, pairs))
    return taste, moved(looks, taste, pairs.target, pairs.source, for_places, OWN)


def _dots(taste: F32, looks: F32, pairs: Decisions) -> F32:
    dots: F32 = np.einsum("ij,ij->i", taste[pairs.source], looks[pairs.target])
    return dots


def _rankers(
    places: Table,
    viewers: Table,
    pairs: Decisions,
    profiles: tuple[F32, ...],
    before: tuple[Earlier, Earlier],
    served: ServedPairs,
    today: int,
    groupings: Groupings,
) -> Rankers:
    """Fitted on the later pairs, with features from the earlier ones."""
    earlier, later = split_by_time(pairs, EARLIER)
    of_viewers, of_places, _ = _represent(earlier, *profiles)
    past = Past(
        rows_then(viewers, before[0], of_viewers, profiles[0], today),
        rows_then(places, before[1], of_places, profiles[1], today),
        (len(viewers), len(places)),
        before,
        served,
    )

    def features(some: Decisions) -> PairsOf:
        found, _ = past.features(some)
        return {name: found[name] for name in MODEL}, None

    return fit_rankers(later, features, "save", Groups.of(viewers, earlier, groupings))


def _with_other_class(places: Table, saves: Decisions, shown: Decisions) -> Decisions:
    """The saves, and pairs without a save: shown or, with too few, drawn."""
    known = np.unique(_pair_keys(saves.source, saves.target, len(places)))
    others = _without(shown, known, len(places))
    if len(others) < FEWEST_SHOWN:
        others = _without(_drawn(places, saves), known, len(places))
    return decisions_of(
        np.concatenate([saves.source, others.source]),
        np.concatenate([saves.target, others.target]),
        np.concatenate([saves.liked, np.zeros(len(others), "?")]),
        np.concatenate([saves.at, others.at]),
    )


def _drawn(places: Table, saves: Decisions) -> Decisions:
    """For each save DRAWN places of the same market, at random."""
    again = saves.take(np.repeat(np.arange(len(saves)), DRAWN))
    by_market = np.argsort(places["market"], kind="stable")
    markets, market = places["market"][by_market], places["market"][again.target]
    start = np.searchsorted(markets, market, "left")
    size = np.searchsorted(markets, market, "right") - start
    at = start + np.floor(np.random.default_rng(SEED).random(len(again)) * size).astype("i8")
    target = by_market[at]
    return decisions_of(again.source, target, np.zeros(len(again), "?"), again.at)


def _without(pairs: Decisions, known: npt.NDArray[np.int64], n: int) -> Decisions:
    """Each pair once, those in `known` left out."""
    keys, first = np.unique(_pair_keys(pairs.source, pairs.target, n), return_index=True)
    return pairs.take(first[~np.isin(keys, known)])


def _pair_keys(source: npt.NDArray[Any], target: npt.NDArray[Any], n: int) -> npt.NDArray[np.int64]:
    keys: npt.NDArray[np.int64] = source.astype("i8") * max(n, 1) + target
    return keys
