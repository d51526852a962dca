"""A PI controller with anti-windup and a freeze on thin traffic, on whole columns; pure.

Takes errors in relative units (positive: too little), gives corrections in units of the surface's spread of
scores, so that one set of gains fits every surface. It measures nothing and knows no price.
Source: K. J. Astrom, T. Hagglund, Advanced PID Control, 2006, sections 3.5 (conditional integration) and 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gains:
    """Per step. A correction stays within low..high and moves by at most `most_change` a step."""

    proportional: float
    integral: float
    low: float
    high: float
    most_change: float
    most_error: float = 2.0


def step(gains: Gains, error: Any, integral: Any, correction: Any, frozen: Any) -> tuple[F64, F64]:
    """The next integral and correction, of arrays of one shape.

    What is frozen stays as it was. An integral stops growing while its correction is at a bound, or moves as
    fast as it may, and the error pushes further that way.
    """
    error = np.clip(np.nan_to_num(np.asarray(error, "f8")), -gains.most_error, gains.most_error)
    integral, correction = np.asarray(integral, "f8"), np.asarray(correction, "f8")
    grown = np.clip(integral + gains.integral * error, gains.low, gains.high)
    wanted = gains.proportional * error + grown
    lowest = np.maximum(gains.low, correction - gains.most_change)
    highest = np.minimum(gains.high, correction + gains.most_change)
    pushes_out = ((wanted > highest) & (error > 0)) | ((wanted < lowest) & (error < 0))
    grown = np.where(pushes_out, integral, grown)
    moved = np.clip(gains.proportional * error + grown, lowest, highest)
    return np.where(frozen, integral, grown), np.where(frozen, correction, moved)


def log_odds_error(target: Any, actual: Any) -> F64:
    """How far a share is from its target, in log odds: a price moves those by about as much at any share."""
    edge = 1e-4
    shares = (np.clip(np.asarray(share, "f8"), edge, 1 - edge) for share in (target, actual))
    wanted, found = (np.log(share) - np.log1p(-share) for share in shares)
    return np.asarray(wanted - found)


def shortfall_error(wanted: Any, actual: Any) -> F64:
    """How much of a wanted rate is missing: 1 is all of it, negative what is too much (at most -1)."""
    wanted = np.maximum(np.asarray(wanted, "f8"), 1e-9)
    return np.asarray(np.clip((wanted - np.asarray(actual, "f8")) / wanted, -1.0, 1.0))
