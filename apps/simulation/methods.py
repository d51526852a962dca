"""Ways to fill a list of ten, on equal terms: the same viewer, the same eligible candidates, the same time.

Ours is the pipeline under the live release; the others are what one would do without it, and the oracle, who
knows the truth. Takes a Case; gives positions among its eligible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from apps.pipeline.contracts import Request
from apps.pipeline.features.chances import like_probability
from apps.pipeline.features.pairs import like_model, look_up
from apps.pipeline.params import PipelineParams
from apps.pipeline.ranking.predictions import pair_features
from apps.pipeline.run import run
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import partner_masks
from apps.simulation.population import F64, I64

LENGTH = 10


@dataclass(frozen=True)
class Case:
    """One viewer: their request, everybody eligible, and the truth about each of them."""

    request: Request
    eligible: Table
    index: I64  # of each in the world
    p: F64  # of a like (or save) by the viewer
    q: F64  # of a like by the candidate; 1 for places
    known: F64  # q, or what the candidate has already said: 1 liked, 0 passed


Method = Callable[[Case], I64]


def methods(kind: str) -> Mapping[str, Method]:
    """For candidates of a kind, by the name under which the table shows them."""
    return {
        "random eligible": at_random,
        "popularity": by_popularity,
        "one-sided taste": by_taste,
        **({"EASE": by_ease} if kind == "place" else {}),
        "raya_recs": ours,
        "oracle": by_truth,
    }


def at_random(case: Case) -> I64:
    return _generator(case).permutation(len(case.eligible))[:LENGTH]


def by_popularity(case: Case) -> I64:
    """Likes (or saves) received lately, nothing else; ties by lot."""
    return _best(case, np.asarray(case.eligible["popularity"], "f8"))


def by_taste(case: Case) -> I64:
    """The learnt probability that the viewer likes them; the candidate is not asked."""
    request = case.request
    features = pair_features(
        request.viewer.row,
        case.eligible,
        kind=request.data.kind,
        partners=partner_masks(request.snapshot.vocabulary.get("crafts", ())),
    )
    return _best(case, like_probability(features, like_model(request.data)))


def by_ease(case: Case) -> I64:
    """What goes along with the viewer's own saves and visits, as served; then by popularity."""
    order = np.argsort(numbers := case.request.alike[0])
    known = look_up(case.eligible["number"], numbers[order], case.request.alike[1][order])
    return _best(case, known + 1e-6 * np.asarray(case.eligible["popularity"], "f8"))


def by_truth(case: Case) -> I64:
    """The true probability of both likes: nobody can do better on it."""
    return _best(case, case.p * case.q)


def ours(case: Case) -> I64:
    """The pipeline under the live release."""
    shown = run(case.request).numbers[:LENGTH]
    order = np.argsort(case.eligible["number"], kind="stable")
    return np.asarray(order[np.searchsorted(case.eligible["number"][order], shown)])


def ours_under(params: PipelineParams) -> Method:
    """Ours as it would be with these parameters."""
    return lambda case: ours(replace(case, request=replace(case.request, params=params)))


def _best(case: Case, score: F64) -> I64:
    return np.lexsort((_generator(case).random(len(score)), -score))[:LENGTH]


def _generator(case: Case) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(case.request.seed))
