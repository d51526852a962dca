"""How a prediction does on labels later than those it was fitted on: all together, and by group.

Takes labels and probabilities; gives a report of plain numbers. A group is of those who decide. Small ones
of a kind are put together; where that is still too few to say anything, only their number is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.learning import quality
from apps.learning.decisions import Decisions
from apps.pipeline.contracts import F32, I32
from apps.pipeline.table import Table

BOUND = 0.02  # what the calibration error of all labels together is held to
SMALLEST_GROUP = 1000  # labels; the calibration error of fewer is mostly their own chance
DAY = 86400
NEW = 28  # days of membership
MANY = (20, 100)  # decisions in the block that made the features: few, some, many

Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """What is foretold: in one sentence for staff, which label it is held to, and what is left out."""

    name: str
    sentence: str
    label: str
    left_out: str


PREDICTIONS: Mapping[str, Prediction] = {
    one.name: one
    for one in (
        Prediction(
            "like",
            "The chance that the viewer likes the candidate.",
            "The viewer's last word about the candidate: a like, or a pass.",
            "Candidates about whom nothing was said, not counted as a pass.",
        ),
        Prediction(
            "like_back",
            "The chance that the candidate likes the viewer: the same model with the roles swapped.",
            "What somebody said of a member who had liked them before: a like, or a pass.",
            "Likes that nobody has answered yet, not counted as a pass.",
        ),
        Prediction(
            "save",
            "The chance that the viewer saves the place.",
            "A save; or a place that was shown and not saved.",
            "Places that were never shown; where too few were shown, places of the market by lot stand in.",
        ),
        Prediction(
            "heavy",
            "The same chance once more for the best few, by a ranker that also sees what goes together.",
            "As of a like or a save.",
            "As of a like or a save. It serves only while it beats the light ranker on later labels.",
        ),
        Prediction(
            "reply",
            "The chance that two who match talk.",
            "One of the two wrote and was answered within 72 hours of the match.",
            "Matches younger than 72 hours, and from before what made the features; pairs that unmatched.",
        ),
        Prediction(
            "stays",
            "The chance that the viewer is active again after meeting the candidate.",
            "The viewer did anything in days 8 to 28 after they decided about the candidate.",
            "Decisions younger than 28 days, and so all of members younger than that; members who left.",
        ),
    )
}


@dataclass(frozen=True)
class Grouping:
    """One way to tell members apart: `words[of[row]]` names the group of a row of their table."""

    words: tuple[str, ...]
    of: I32


Groupings = Mapping[str, Grouping]  # by what they tell apart
NO_GROUPINGS: Groupings = {}


@dataclass(frozen=True)
class Groups:
    """Everything that labels are grouped by: what holds of a member, and what held when they decided."""

    members: Table
    decided: I32  # [members] decisions in the block that made the features
    more: Groupings

    @classmethod
    def of(cls, members: Table, before: Decisions, more: Groupings = NO_GROUPINGS) -> Groups:
        """`before`: decisions that made the features, by row of `members`."""
        decided = np.bincount(before.source, minlength=len(members)).astype("i4")
        return cls(members, decided, more)

    def kinds(self, labels: Decisions) -> Iterator[tuple[str, tuple[str, ...], Codes]]:
        """Kind, names and the code [n] of each label."""
        for kind, one in self.more.items():
            yield kind, one.words, one.of[labels.source]
        age = labels.at // DAY - self.members["joined_day"][labels.source]
        yield "membership", (f"under {NEW} days", f"{NEW} days and more"), (age >= NEW).astype("i4")
        few, many = MANY
        names = (f"under {few}", f"{few} to {many - 1}", f"{many} and more")
        yield "decided before", names, np.searchsorted(MANY, self.decided[labels.source], "right")


def judge(labels: Decisions, p: F32, groups: Groups, light: F32 | None = None) -> dict[str, Any]:
    """Report of probabilities [n] on labels of both classes. `light`: what the light ranker would order the
    same labels by, to say how much higher the AUC is."""
    liked, who, bins = labels.liked, labels.source, quality.bins_for(len(labels))
    order = quality.auc_estimate(liked, p, who)
    report: dict[str, Any] = {
        "decisions": len(labels),
        "members": len(np.unique(who)),
        "yes": float(liked.mean()),
        "auc": order.value,
        "auc_low": order.low,
        "auc_high": order.high,
        "log_loss": quality.log_loss(liked, p),
        **_calibration(labels, p),
        "bins": bins,
        "by_group": _by_group(labels, p, groups),
    }
    if light is not None:
        lead = quality.auc_lead(liked, p, light, who)
        report |= {"over_light": lead.value, "over_light_low": lead.low, "over_light_high": lead.high}
    return report


def holds(said: Mapping[str, Any]) -> str:
    """Yes, no, or too few to tell: above BOUND by no more than chance explains on as many labels."""
    if said["calibration_error"] <= BOUND:
        return "yes"
    by_chance = float(np.hypot(BOUND, said["calibration_noise"]))
    return "no" if said["calibration_low"] > by_chance else "too few to tell"


def _calibration(labels: Decisions, p: F32) -> dict[str, float]:
    bins = quality.bins_for(len(labels))
    error = quality.calibration_estimate(labels.liked, p, labels.source, bins=bins)
    return {
        "calibration_error": error.value,
        "calibration_low": error.low,
        "calibration_high": error.high,
        "calibration_noise": quality.calibration_noise(p, bins=bins),
    }


def _by_group(labels: Decisions, p: F32, groups: Groups) -> dict[str, Any]:
    """By "kind: group" its labels, members and calibration; how many labels of a kind are in none."""
    found: dict[str, Any] = {}
    for kind, names, codes in groups.kinds(labels):
        sizes = np.bincount(codes, minlength=len(names))
        large = sizes >= SMALLEST_GROUP
        parts = {f"{kind}: {names[code]}": codes == code for code in np.flatnonzero(large).tolist()}
        others = ~large[codes]
        if np.count_nonzero(others) >= SMALLEST_GROUP:
            parts[f"{kind}: all others"] = others
        elif others.any():
            found[f"{kind}: too few"] = {"decisions": int(np.count_nonzero(others))}
        for name, here in parts.items():
            some = labels.take(here)
            members = len(np.unique(some.source))
            found[name] = {"decisions": len(some), "members": members, **_calibration(some, p[here])}
    return found
