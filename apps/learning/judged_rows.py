"""What a refresh reports of its predictions, as rows of tables: for the admin, commands and documents.

Takes `report["learnt"]` of a snapshot, by surface; gives words. Reports of earlier builds, that had no
intervals, give no rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apps.learning.judging import BOUND, PREDICTIONS, holds

Learnt = Mapping[str, Mapping[str, Any]]
PREDICTED = ("Surface", "Prediction", "What it says", "Label", "Left out")
JUDGED = (
    "Surface",
    "Prediction",
    "Later labels",
    "AUC",
    "AUC over the light one",
    "Calibration error",
    "Of it chance",
    f"Within {BOUND}",
)
GROUPED = ("Surface", "Prediction", "Group", "Labels", "Members", "Calibration error", "Of it chance")
TOLD = {"decisions", "auc", "calibration_error", "calibration_noise", "over_light", "by_group"}
TOLD |= {f"{one}_{end}" for one in ("auc", "calibration", "over_light") for end in ("low", "high")}


def judged(learnt: Learnt) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Surface, prediction and what is said of it, surface by surface."""
    for surface, said in learnt.items():
        for name in PREDICTIONS:
            if "calibration_low" in said.get(name, {}):
                yield surface, name, said[name]


def predicted_rows(learnt: Learnt) -> list[tuple[str, ...]]:
    """Each prediction in plain words, as in PREDICTED."""
    words = ((surface, PREDICTIONS[name]) for surface, name, _ in judged(learnt))
    return [(surface, _name(one.name), one.sentence, one.label, one.left_out) for surface, one in words]


def judged_rows(learnt: Learnt) -> list[tuple[str, ...]]:
    """How each does on later labels, as in JUDGED."""
    return [
        (
            surface,
            _name(name) + ("" if said.get("used", True) else ", off"),
            f"{said['decisions']:,}",
            _figure(said, "auc", "auc"),
            _figure(said, "over_light", "over_light", "+.3f") if "over_light" in said else "–",
            _figure(said, "calibration_error", "calibration"),
            f"{said['calibration_noise']:.3f}",
            holds(said),
        )
        for surface, name, said in judged(learnt)
    ]


def grouped_rows(learnt: Learnt) -> list[tuple[str, ...]]:
    """Calibration by group, as in GROUPED; of groups too small even together only how many labels."""
    rows: list[tuple[str, ...]] = []
    for surface, name, said in judged(learnt):
        for group, one in sorted(said["by_group"].items()):  # Postgres keeps them by length of name
            row = (surface, _name(name), group, f"{one['decisions']:,}")
            if "calibration_error" in one:
                error, chance = _figure(one, "calibration_error", "calibration"), one["calibration_noise"]
                rows.append((*row, f"{one['members']:,}", error, f"{chance:.3f}"))
            else:
                rows.append((*row, "–", "–", "–"))
    return rows


def _figure(said: Mapping[str, Any], name: str, ends: str, as_written: str = ".3f") -> str:
    value, low, high = (format(said[key], as_written) for key in (name, f"{ends}_low", f"{ends}_high"))
    return f"{value} ({low} to {high})"


def _name(name: str) -> str:
    return {"heavy": "heavy ranker"}.get(name, name.replace("_", " "))
