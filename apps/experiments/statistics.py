"""How different two variants are, and how sure we can be. Arrays in, numbers out; it asks nothing.

An interval must match the unit that was dealt: members by themselves (Welch), or whole markets, whose members
go together (cluster-robust). Formulas name their source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
SUSPICIOUS = 0.001  # of a sample ratio: below it, the dealing itself is broken
FEW_CLUSTERS = 10  # below it an interval over clusters is a rough guess


@dataclass(frozen=True)
class SampleRatio:
    """Whether the variants got the shares they should. `p`: how likely so odd a split is by chance."""

    counts: tuple[int, ...]
    expected: tuple[float, ...]
    p: float

    @property
    def is_broken(self) -> bool:
        return self.p < SUSPICIOUS


@dataclass(frozen=True)
class Estimate:
    """Treatment minus control, per unit, with its interval at `confidence`."""

    control: float  # means
    treatment: float
    difference: float
    low: float
    high: float
    p: float
    units: tuple[int, int]  # control, treatment: members, or clusters
    confidence: float = 0.95

    @property
    def lift(self) -> float | None:
        """The difference over the control's mean; None where that is 0."""
        return self.difference / self.control if self.control else None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def sample_ratio(counts: list[int], weights: list[float]) -> SampleRatio:
    """Pearson's chi-square test of the counts against the weights (Fabijan et al.

    2019). Nobody yet: p is 1.
    """
    from scipy.stats import chi2

    total = sum(counts)
    expected = [total * weight / sum(weights) for weight in weights]
    if total == 0 or len(counts) < 2:
        return SampleRatio(tuple(counts), tuple(expected), 1.0)
    statistic = sum((count - wanted) ** 2 / wanted for count, wanted in zip(counts, expected, strict=True))
    return SampleRatio(tuple(counts), tuple(expected), float(chi2.sf(statistic, len(counts) - 1)))


def by_member(control: F64, treatment: F64, *, confidence: float = 0.95) -> Estimate | None:
    """Welch's interval for the difference of means of independent units [n], [m] (Welch 1947).

    None with fewer than two units on a side.
    """
    if min(len(control), len(treatment)) < 2:
        return None
    variances = [float(np.var(side, ddof=1)) / len(side) for side in (control, treatment)]
    freedom = _welch_freedom(variances, (len(control), len(treatment)))
    units = (len(control), len(treatment))
    return _estimate(
        float(control.mean()), float(treatment.mean()), sum(variances), freedom, units, confidence
    )


def by_cluster(
    values: F64, treated: npt.NDArray[np.bool_], clusters: I64, *, confidence: float = 0.95
) -> Estimate | None:
    """The difference of means over members [n] whose clusters [n] were dealt as a whole.

    The variance is that of Liang and Zeger (1986) for a regression on the treatment alone, with the factor
    G / (G - 1) in each arm, and Student's t with the clusters of both arms minus 2 (Cameron and Miller 2015).
    None with fewer than two clusters in an arm.
    """
    arms = [_arm(values[chosen], clusters[chosen]) for chosen in (~treated, treated)]
    if min(count for _, _, count in arms) < 2:
        return None
    (control, control_variance, g), (treatment, treatment_variance, h) = arms
    variance = control_variance + treatment_variance
    return _estimate(control, treatment, variance, float(g + h - 2), (g, h), confidence)


def _arm(values: F64, clusters: I64) -> tuple[float, float, int]:
    """Mean, variance of the mean by cluster, and how many clusters."""
    names, place = np.unique(clusters, return_inverse=True)
    if not len(values):
        return 0.0, 0.0, 0
    mean = float(values.mean())
    sums = np.bincount(place, weights=values - mean, minlength=len(names))
    g = len(names)
    variance = float((sums**2).sum()) / len(values) ** 2 * (g / (g - 1) if g > 1 else 1.0)
    return mean, variance, g


def _welch_freedom(variances: list[float], counts: tuple[int, int]) -> float:
    """Welch and Satterthwaite's degrees of freedom."""
    below = sum(variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True))
    return float(sum(counts) - 2) if below == 0 else sum(variances) ** 2 / below


def _estimate(
    control: float,
    treatment: float,
    variance: float,
    freedom: float,
    units: tuple[int, int],
    confidence: float,
) -> Estimate:
    from scipy.stats import t

    difference, error = treatment - control, variance**0.5
    if error == 0:
        p = 1.0 if difference == 0 else 0.0
        return Estimate(control, treatment, difference, difference, difference, p, units, confidence)
    reach = float(t.ppf(0.5 + confidence / 2, freedom)) * error
    p = float(2 * t.sf(abs(difference) / error, freedom))
    return Estimate(
        control, treatment, difference, difference - reach, difference + reach, p, units, confidence
    )
