"""manage.py evaluate_speed_dating PATH: predictions on real meetings, as a table in docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.simulation.report import replace_between

MARKER = "speed-dating"
NOTE = (
    "The [speed-dating experiment](https://doi.org/10.1162/qjec.2006.121.2.673) of Fisman, Iyengar, "
    "Kamenica and Simonson: {people} people in {waves} waves, {meetings:,} decisions. Learnt on the "
    "first {learnt} waves of the file, scored on the rest. Figures are areas under the ROC curve: the "
    "chance that a like is scored above a pass. *Pooled* compares all decisions with each other, *by "
    "wave* only those of one evening (then the mean).\n\n"
    "Only what was known before an evening is used. Ratings made after a meeting, the number of matches "
    "a person estimated, and race are left out, for the baseline too. A match is scored as p x q, and "
    "only where both decisions are unknown. With half known, all figures are means over {halves} random "
    "halves; no decision is scored by anything that was learnt from it. How answers become a profile "
    "was chosen by leaving out waves among the first {learnt}."
)
READING = (
    "With {scored} people to score, a figure is good to about 0.02. Profiles alone tell little: a "
    "regression on the raw answers is ahead of ours, which sees them only as words, the form in which a "
    "member's profile holds them. A few decisions tell more than all answers, and there ours is ahead: "
    "selectivity and appeal, shrunk to what the profile says."
)


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # it needs neither the database nor the site
    help = (
        "Measures p(like) and p(match) on the speed-dating data and writes the table into docs/evaluation.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="speed_dating.csv or .csv.gz")
        parser.add_argument("--out", type=Path, default=settings.BASE_DIR / "docs" / "evaluation.md")
        parser.add_argument("--dry-run", action="store_true", help="print the table, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.learning import speed_dating
        from apps.learning.speed_dating_study import Study, half_known, never_seen

        try:
            study = Study(speed_dating.read(options["path"]))
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Scoring people never seen ...")
        first = never_seen(study)
        self.stdout.write("Scoring with half of the decisions known ...")
        text = as_markdown(study, first, half_known(study))
        self.stdout.write(text)
        if not options["dry_run"]:
            replace_between(options["out"], MARKER, text)


def as_markdown(study: Any, never: Mapping[str, Any], half: Mapping[str, Any]) -> str:
    """The section: a note, and for each of the two questions a table over methods and one over waves."""
    from apps.learning.speed_dating_study import HALVES, LEARNT_WAVES

    data = study.data
    note = NOTE.format(
        people=len(data.people),
        waves=len(data.waves),
        meetings=len(data.decisions),
        learnt=LEARNT_WAVES,
        halves=HALVES,
    )
    return "\n\n".join(
        [
            "## On real meetings: speed dating",
            "`manage.py evaluate_speed_dating $RAYA_RECS_DATA/speed_dating.csv.gz`",
            note,
            "### Never seen: profiles alone",
            _methods(never),
            _waves(never),
            "### A random half of each person's decisions known",
            _methods(half),
            _waves(half),
            READING.format(scored=len(np.unique(data.decisions.source[study.scored]))),
        ]
    )


def _methods(scores: Mapping[str, Any]) -> str:
    lines = [
        "| | like, pooled | like, by wave | match, pooled | match, by wave | log loss | calibration error |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, score in scores.items():
        auc = (score.like, score.like_by_wave, score.match, score.match_by_wave)
        figures = [*auc, score.log_loss, score.calibration_error]
        lines.append(f"| {name} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    return "\n".join(lines)


def _waves(scores: Mapping[str, Any]) -> str:
    waves = list(next(iter(scores.values())).waves)
    lines = [
        "| like, per wave | " + " | ".join(str(wave) for wave in waves) + " |",
        "|---|" + "---:|" * len(waves),
    ]
    for name, score in scores.items():
        lines.append(f"| {name} | " + " | ".join(f"{score.waves[wave]:.3f}" for wave in waves) + " |")
    return "\n".join(lines)
