"""How well likes and matches are predicted on the speed-dating data, by our parts and by plain baselines.

Learns on the first 11 waves of the file and scores the rest: once as people never seen (profiles alone),
and with a random half of each one's decisions known. No score is made with the decision it is judged on,
nor with the other side's decision of the same meeting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning import quality
from apps.learning.like_model import features_of, fit_like_model
from apps.learning.representation import represent_members, with_columns
from apps.learning.speed_dating import EVENING, SpeedDating, block_of, opposite
from apps.pipeline.contracts import F32, Mask
from apps.pipeline.features.chances import like_probability
from apps.pipeline.features.pairs import LIKE_MODEL
from apps.pipeline.features.tower import embed, profile_matrix
from apps.pipeline.table import Table

LEARNT_WAVES = 11
HALVES = 10  # random halves, averaged
FOLDS = 5
PENALTIES = (
    1.0,
    0.1,
    0.01,
    0.003,
    0.001,
    0.0003,
    0.0001,
)  # C of the baseline, chosen on whole waves left out

F64 = npt.NDArray[np.float64]
Method = Callable[["Study", Mask], F64]


@dataclass(frozen=True)
class Score:
    """AUC of likes and matches, pooled and as a mean over waves; of likes per wave; honesty of p."""

    like: float
    match: float
    like_by_wave: float
    match_by_wave: float
    waves: Mapping[int, float]
    log_loss: float
    calibration_error: float


class Study:
    """The data, cut into waves to learn from and waves to score."""

    def __init__(self, data: SpeedDating) -> None:
        self.data = data
        self.decisions = data.decisions
        self.learnt: Mask = block_of(data, data.waves[:LEARNT_WAVES])
        self.scored: Mask = ~self.learnt
        self.opposite = opposite(data.decisions)
        self.profiles: F32 = profile_matrix(data.people, "member", today=EVENING)

    def run(self, methods: Mapping[str, Method], known: Mask) -> dict[str, Score]:
        """Scores every method on the unknown decisions of the waves that nobody learnt from."""
        unknown = self.scored & ~known
        return {name: self.score(method(self, known), unknown) for name, method in methods.items()}

    def half_known(self, seed: int) -> Mask:
        """A random half of the decisions of each person, in all waves."""
        draw = np.random.default_rng(seed).random(len(self.decisions))
        order = np.lexsort((draw, self.decisions.source))
        source = self.decisions.source[order]
        place = np.arange(len(order)) - np.searchsorted(source, source)
        size = np.bincount(source)[source]
        known = np.zeros(len(order), "?")
        known[order] = place < size // 2
        return known

    def score(self, p: F64, unknown: Mask) -> Score:
        """Judges probabilities on the unknown decisions; of a match, on those unknown from both sides."""
        liked = self.decisions.liked
        both = unknown & (self.opposite >= 0)
        both &= unknown[self.opposite]
        matched = liked & liked[self.opposite]
        chance = p * p[self.opposite]
        scored = self.data.waves[LEARNT_WAVES:]
        waves = {w: self.data.wave == w for w in scored}
        like = {w: quality.auc(liked[here & unknown], p[here & unknown]) for w, here in waves.items()}
        match = [quality.auc(matched[here & both], chance[here & both]) for here in waves.values()]
        return Score(
            like=quality.auc(liked[unknown], p[unknown]),
            match=quality.auc(matched[both], chance[both]),
            like_by_wave=float(np.mean(list(like.values()))),
            match_by_wave=float(np.nanmean(match)),
            waves=like,
            log_loss=quality.log_loss(liked[unknown], p[unknown]),
            calibration_error=quality.calibration_error(liked[unknown], p[unknown]),
        )


def constant(study: Study, known: Mask) -> F64:
    """The share of likes among what may be learnt from."""
    rate = study.decisions.liked[study.learnt | known].mean()
    return np.full(len(study.decisions), float(rate))


def popularity(study: Study, known: Mask) -> F64:
    """How often the target was liked in the known decisions, drawn to the mean as by one more decision."""
    used = study.decisions.take(study.learnt | known)
    n = len(study.data.people)
    received = np.bincount(used.target, minlength=n)
    likes = np.bincount(used.target, used.liked, minlength=n)
    rate: F64 = (likes + used.liked.mean()) / (received + 1.0)
    return rate[study.decisions.target]


def raw_columns(study: Study, known: Mask) -> F64:
    """scikit-learn's logistic regression on both sides' answers as they stand, and the gap in age."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    decisions, raw = study.decisions, study.data.raw
    source, target = raw[decisions.source], raw[decisions.target]
    columns = np.hstack([source, target, np.abs(source[:, 1:2] - target[:, 1:2])])
    used = study.learnt | known
    folds = list(GroupKFold(FOLDS).split(columns[used], groups=study.data.wave[used]))
    model = make_pipeline(
        SimpleImputer(),
        StandardScaler(),
        LogisticRegressionCV(
            Cs=list(PENALTIES),
            cv=folds,
            scoring="roc_auc",
            max_iter=500,
            l1_ratios=(0,),
            use_legacy_attributes=False,
        ),
    )
    probabilities: F64 = model.fit(columns[used], decisions.liked[used]).predict_proba(columns)[:, 1]
    return probabilities


def ours_from_profiles(study: Study, known: Mask) -> F64:
    """Profile encoding, content tower, like model; the last learns on waves that its tower has not seen."""
    tables, labels = [], []
    for left_out in _folds(study):
        table = _from_tower(study, study.learnt & ~left_out)
        seen = study.decisions.take(left_out)
        tables.append(features_of(table, table, seen, None))
        labels.append(seen.liked)
    features = {name: np.concatenate([one[name] for one in tables]) for name in tables[0]}
    model = fit_like_model(features, np.concatenate(labels)) or LIKE_MODEL["member"]
    return _predict(study, _from_tower(study, study.learnt), model)


def ours_half_known(study: Study, known: Mask) -> F64:
    """The same with behaviour: effects shrunk to the profile's. The like model learns on the other halves."""
    past = _from_decisions(study, study.learnt & known)
    labels = study.decisions.take(study.learnt & ~known)
    model = fit_like_model(features_of(past, past, labels, None), labels.liked) or LIKE_MODEL["member"]
    return _predict(study, _from_decisions(study, study.learnt | known), model)


NEVER_SEEN: Mapping[str, Method] = {
    "constant": constant,
    "popularity": popularity,
    "scikit-learn, raw columns": raw_columns,
    "ours": ours_from_profiles,
}
HALF_KNOWN: Mapping[str, Method] = {**NEVER_SEEN, "ours": ours_half_known}


def never_seen(study: Study) -> dict[str, Score]:
    """People of whom nothing but their profile is known."""
    return study.run(NEVER_SEEN, np.zeros(len(study.decisions), "?"))


def half_known(study: Study) -> dict[str, Score]:
    """With a random half of everybody's decisions known: means over HALVES draws."""
    runs = [study.run(HALF_KNOWN, study.half_known(seed)) for seed in range(HALVES)]
    return {name: _mean([run[name] for run in runs]) for name in HALF_KNOWN}


def _from_tower(study: Study, learnt: Mask) -> Table:
    """Everybody as a newcomer: the tower's maps alone, as the overlay applies them."""
    found = represent_members(study.decisions.take(learnt), study.profiles)
    content = {f"dating.{name}": weights for name, weights in found.content.items()}
    return embed(study.data.people, surface="dating", content=content, today=EVENING)


def _from_decisions(study: Study, known: Mask) -> Table:
    found = represent_members(study.decisions.take(known), study.profiles)
    return with_columns(study.data.people, found.columns)


def _predict(study: Study, table: Table, model: Mapping[str, Any]) -> F64:
    return like_probability(features_of(table, table, study.decisions, None), model).astype("f8")


def _folds(study: Study) -> list[Mask]:
    """The waves to learn from in FOLDS parts, whole."""
    waves = study.data.waves[:LEARNT_WAVES]
    return [block_of(study.data, waves[i::FOLDS]) for i in range(FOLDS)]


def _mean(scores: Sequence[Score]) -> Score:
    def mean(name: str) -> float:
        return float(np.nanmean([getattr(score, name) for score in scores]))

    numbers = ("like", "match", "like_by_wave", "match_by_wave", "log_loss", "calibration_error")
    waves = {wave: float(np.mean([score.waves[wave] for score in scores])) for wave in scores[0].waves}
    return Score(waves=waves, **{name: mean(name) for name in numbers})
