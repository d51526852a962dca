"""The part of a packed delivery that holds its signals: what the viewer did, and how those ranked fared then.

Takes signals and the numbers that were ranked, gives bytes; gives the signals back for a replay. Of the
arrays about candidates only what concerned the ranked is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from apps.pipeline.contracts import I32
from apps.pipeline.passes import Passes
from apps.pipeline.signals import DEED, Signals

recent_loop = Passes("features.recent_loop")

Crowd = npt.NDArray[Any]  # of dtype CROWD
AWAY = 255  # hours since the last activity, or more; not known
CROWD = np.dtype([("number", "<i4"), ("unread", "u1"), ("hours", "u1")])
TIRED = np.dtype([("number", "<i4"), ("times", "<f4")])
NO_CROWD: Crowd = np.zeros(0, CROWD)
PARTS = (DEED, DEED, TIRED, CROWD)


def crowd_of(ranked: I32, signals: Signals, hour: int) -> Crowd:
    """What was known of those who were ranked, without those of whom nothing was."""
    size = len(ranked)
    numbers, unread, hours = np.empty(size, "i4"), np.empty(size, "u1"), np.empty(size, "u1")
    told = (numbers, unread, hours)
    n = recent_loop.tell_crowd(signals.unread, signals.active_hour, ranked, hour, AWAY, *told)
    crowd = np.empty(n, CROWD)
    crowd["number"], crowd["unread"], crowd["hours"] = (column[:n] for column in told)
    return crowd


def bytes_of_signals(signals: Signals, crowd: Crowd) -> bytes:
    tired = np.empty(len(signals.tired_of), TIRED)
    tired["number"], tired["times"] = signals.tired_of, signals.times_seen
    parts = (signals.decided, signals.less, tired, crowd)
    head = np.array([len(part) for part in parts], "<i4").tobytes()
    return head + b"".join(part.tobytes() for part in parts)


def signals_from(data: bytes, at: int, hour: int) -> tuple[Signals, int]:
    """The signals that stand at a place of some bytes, as of an hour; and where they end."""
    counts = np.frombuffer(data, "<i4", len(PARTS), at).tolist()
    at += 4 * len(PARTS)
    parts = []
    for dtype, count in zip(PARTS, counts, strict=True):
        parts.append(np.frombuffer(data, dtype, count, at))
        at += count * dtype.itemsize
    decided, less, tired, crowd = parts
    length = int(crowd["number"].max(initial=-1)) + 2
    unread, active = np.zeros(length, "u1"), np.zeros(length, "i4")
    unread[crowd["number"]] = crowd["unread"]
    active[crowd["number"]] = np.where(crowd["hours"] < AWAY, hour - crowd["hours"].astype("i4"), 0)
    tired_of, times = tired["number"].copy(), tired["times"].copy()
    return Signals(decided, less, tired_of, times, unread, active), at
