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
from apps.pipeline.features.finite import finite
from apps.pipeline.signals import LIKED, NOT_MY_TYPE, PASSED, SAVED
from apps.pipeline.snapshot import rows_in

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
    pull = _pull(request, signals.decided, STRENGTH, params.session_half_life * HOUR)
    pull = pull + _pull(request, signals.less, LESS_STRENGTH, params.less_half_life * DAY)
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


def _pull(request: Request, deeds: npt.NDArray[Any], strength: F32, half_life: float) -> F32:
    """[d] the sum of directions."""
    table = request.data.candidates
    width = table.columns["looks"].shape[1]
    if not len(deeds):
        return np.zeros(width, "f4")
    weights = strength[deeds["what"]] * faded(deeds["at"], request.now, half_life)
    rows = rows_in(request.data.row_of, deeds["number"])
    counts = (weights != 0.0) & (rows >= 0)
    if not counts.any():
        return np.zeros(width, "f4")
    looks = finite(np.asarray(table.take("looks", rows[counts]), "f8"))
    lengths = np.sqrt(np.einsum("ij,ij->i", looks, looks))
    shares = weights[counts] / np.where(lengths > 0.0, lengths, 1.0)
    return np.asarray(np.einsum("i,ij->j", shares, looks), "f4")
