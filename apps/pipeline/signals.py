"""What happened a moment ago, as values of a request: what the viewer did and saw, how candidates fare now.

Built by whoever asks (apps.delivery) from the online state, or from a packed delivery at a replay. Holds
arrays only; features/taste.py and features/recent.py say what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# Somebody (or a place) the viewer decided on, or asked for less of. `what` is one of the codes below.
DEED = np.dtype([("number", "<i4"), ("what", "u1"), ("at", "<f8")])
LIKED, PASSED, SAVED = 1, 2, 3
# What "less like this" can be said for: the event's reason -> code.
LESS: Mapping[str, int] = {"not_my_type": 1, "too_far": 2, "other_industry": 3, "seen_too_often": 4}
NOT_MY_TYPE, TOO_FAR, OTHER_INDUSTRY, SEEN_TOO_OFTEN = LESS.values()

NO_DEEDS: npt.NDArray[Any] = np.zeros(0, DEED)
NO_NUMBERS: I32 = np.zeros(0, "i4")
NO_TIMES: F32 = np.zeros(0, "f4")
NO_LOAD: U8 = np.zeros(1, "u1")
NO_HOURS: I32 = np.zeros(1, "i4")


@dataclass(frozen=True)
class Signals:
    """All that the stages may be told of the last minutes and days."""

    decided: npt.NDArray[Any] = field(default_factory=lambda: NO_DEEDS)  # likes, passes, saves of late
    less: npt.NDArray[Any] = field(default_factory=lambda: NO_DEEDS)  # "less like this", by reason
    tired_of: I32 = field(default_factory=lambda: NO_NUMBERS)  # sorted: seen before without action
    times_seen: F32 = field(default_factory=lambda: NO_TIMES)  # [tired_of] how often, faded with time
    # By number, the last entry standing for everybody beyond: it is 0.
    unread: U8 = field(default_factory=lambda: NO_LOAD)  # likes that wait unread in a candidate's inbox
    active_hour: I32 = field(default_factory=lambda: NO_HOURS)  # hours since 1970-01-01 UTC; 0: not known


def by_number(values: npt.NDArray[Any], numbers: I32) -> npt.NDArray[Any]:
    """The values of these numbers; 0 for those beyond the last."""
    return np.asarray(values[np.minimum(numbers, len(values) - 1)])
