"""Selectivity and appeal by empirical Bayes: how far likes given and received stand off the mean.

A model of crossed effects: log-odds of a like = mean + selectivity of the source + appeal of the target,
each with a normal prior as strong as `K` decisions. One Newton step from zero moves an effect by n/(n + K)
of the mean residual, in log-odds; a few rounds settle both sides against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apps.learning.decisions import Decisions
from apps.pipeline.contracts import F32, I32

K = 4.0  # decisions that weigh as much as the prior
ROUNDS = 12
LONGEST_STEP = 2.0  # of a Newton step, in log-odds

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """Of sources [n] and targets [m], in log-odds. Reliability: how much of it their own decisions tell."""

    mean: float  # log-odds of a like between an average source and an average target
    selectivity: F64
    appeal: F64
    selectivity_reliability: F64  # about n / (n + K); 0 without decisions
    appeal_reliability: F64


def fit_effects(
    decisions: Decisions,
    n_sources: int,
    n_targets: int,
    *,
    selectivity_prior: F32 | F64 | None = None,
    appeal_prior: F32 | F64 | None = None,
    k: float = K,
) -> Effects:
    """The most probable effects. Priors are what to shrink to (default 0); without decisions they stand."""
    prior_s = np.zeros(n_sources) if selectivity_prior is None else np.asarray(selectivity_prior, "f8")
    prior_a = np.zeros(n_targets) if appeal_prior is None else np.asarray(appeal_prior, "f8")
    liked = decisions.liked.astype("f8")
    rate = (liked.sum() + 0.5) / (len(decisions) + 1.0)
    strength = k * rate * (1.0 - rate)
    mean = float(np.log(rate / (1.0 - rate)))
    s, a = prior_s.copy(), prior_a.copy()
    information_s, information_a = np.zeros(n_sources), np.zeros(n_targets)
    for _ in range(ROUNDS if len(decisions) else 0):
        p = _probabilities(mean, s, a, decisions)
        mean += float(np.clip((liked - p).sum() / ((p * (1 - p)).sum() + strength), -1.0, 1.0))
        p = _probabilities(mean, s, a, decisions)
        s, information_s = _step(s, prior_s, liked, p, decisions.source, strength)
        p = _probabilities(mean, s, a, decisions)
        a, information_a = _step(a, prior_a, liked, p, decisions.target, strength)
    return Effects(mean, s, a, _share(information_s, strength), _share(information_a, strength))


def unshrunk(effects: F64, reliability: F64) -> F64:
    """What the decisions alone say (with prior 0): the target of the content tower. 0 without decisions."""
    return np.divide(effects, reliability, out=np.zeros_like(effects), where=reliability > 0)


def counts(rows: I32, n: int, weights: F64 | None = None) -> F64:
    """How often each of the rows 0..n-1 occurs; with weights, their sums."""
    return np.bincount(rows, weights, minlength=n).astype("f8")


def log_odds(effects: Effects, decisions: Decisions) -> F64:
    """[n] of a like, by the effects alone."""
    sums: F64 = effects.mean + effects.selectivity[decisions.source] + effects.appeal[decisions.target]
    return sums


def _probabilities(mean: float, s: F64, a: F64, decisions: Decisions) -> F64:
    logit = np.clip(mean + s[decisions.source] + a[decisions.target], -30.0, 30.0)
    p: F64 = 1.0 / (1.0 + np.exp(-logit))
    return p


def _step(effect: F64, prior: F64, liked: F64, p: F64, rows: I32, strength: float) -> tuple[F64, F64]:
    n = len(effect)
    residual = np.bincount(rows, liked - p, minlength=n)
    information = np.bincount(rows, p * (1.0 - p), minlength=n).astype("f8")
    step: F64 = (residual - strength * (effect - prior)) / (information + strength)
    return effect + np.clip(step, -LONGEST_STEP, LONGEST_STEP), information


def _share(information: F64, strength: float) -> F64:
    return information / (information + strength)
