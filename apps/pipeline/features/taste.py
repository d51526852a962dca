"""The viewer's taste as of this minute: moved towards whom they liked just now, away from whom they passed.

Takes a request with its signals, gives the request with the taste moved. The move is bounded by the policy
and fades; deeds about somebody whom the snapshot does not know move nothing.

With d(x) the direction of x's looks, s a deed's strength, h its half-life and t its age:
  pull = sum of s * 2^(-t / h) * d(x)
  taste' = taste + reach * |taste| * pull / (1 + |pull|)      (|taste| counts 1 where it is 0)
so that the taste never moves by more than `reach` times its own length.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import F32, Request
from apps.pipeline.passes import Passes
from apps.pipeline.signals import LIKED, NOT_MY_TYPE, PASSED, SAVED
from apps.pipeline.table import DIMENSIONS

taste_loop = Passes("features.taste_loop")

STRENGTH = np.zeros(256, "f4")  # by what was done: a pass says less than a like
STRENGTH[[LIKED, SAVED, PASSED]] = 1.0, 1.0, -0.5
LESS_STRENGTH = np.zeros(256, "f4")
LESS_STRENGTH[NOT_MY_TYPE] = -2.0
HALF_LIVES = 4.0  # older deeds count nothing
HOUR, DAY = 3600.0, 86_400.0


def with_taste_of_now(request: Request) -> Request:
    """The request whose viewer's row has the moved taste, and says how far it moved."""
    viewer, params = request.viewer, request.params
    signals = viewer.signals
    if viewer.moved is not None or params.session_reach <= 0.0:
        return request
    pull = np.zeros(DIMENSIONS, "f4")
    _add(request, signals.decided, STRENGTH, params.session_half_life * HOUR, pull)
    _add(request, signals.less, LESS_STRENGTH, params.less_half_life * DAY, pull)
    length = float(np.sqrt(pull @ pull))
    if length == 0.0:
        return request
    taste = viewer.row["taste"][0]
    reach = params.session_reach * (float(np.sqrt(taste @ taste)) or 1.0)
    moved = np.asarray(pull * np.float32(reach / (1.0 + length)), "f4")
    row = replace(viewer.row, columns={**viewer.row.columns, "taste": (taste + moved)[None, :]})
    return replace(request, viewer=replace(viewer, row=row, moved=moved))


def faded(at: npt.NDArray[Any], now: float, half_life: float) -> npt.NDArray[Any]:
    """2^(-age / half-life), and 0 beyond a few half-lives; nothing counts more for being in the future."""
    ages = np.maximum(now - at, 0.0) / max(half_life, 1.0)
    return np.where(ages < HALF_LIVES, np.exp2(-ages), 0.0)


def _add(request: Request, deeds: npt.NDArray[Any], strength: F32, half_life: float, pull: F32) -> None:
    """Adds what these deeds pull."""
    if len(deeds):
        data = request.data
        of_looks = data.row_of, data.candidates.columns["looks"]
        taste_loop.pull(deeds, strength, request.now, max(half_life, 1.0), *of_looks, pull)
