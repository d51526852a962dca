"""manage.py evaluate_foursquare PATH: taste for places on real check-ins, a table in docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.simulation.report import replace_between

MARKER = "foursquare"
NOTE = (
    "Check-ins at {places:,} places in {markets} squares of one degree (Foursquare, as CAPRI split them in "
    "time): learnt on the first {early:,} by {members:,} members, scored on the last {late:,}. Each of "
    "{asked:,} members is asked for the places of their own square where they had not been; who went nowhere "
    "new there is left out. Intervals of 95 % are from a bootstrap over members. There are no profiles, "
    "categories or prices in these data: nothing but where people went."
)
READING = (
    "EASE is served beside the log-odds model, as a source and a feature, for it foretells more. The ridge "
    "of 200 was chosen on the slice between the two (50, 200 and 1,000 were tried)."
)


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # it needs neither the database nor the site
    help = "Measures tastes for places on the Foursquare data and writes the table into docs/evaluation.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the folder of train, tune, test and poiCoos")
        parser.add_argument("--every", type=int, default=1, help="ask for every so many-th member only")
        parser.add_argument("--out", type=Path, default=settings.BASE_DIR / "docs" / "evaluation.md")
        parser.add_argument("--dry-run", action="store_true", help="print the table, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.learning.place_study import compare
        from apps.simulation.datasets.foursquare import check_ins

        try:
            found = check_ins(options["path"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        text = as_markdown(found, compare(found, every=max(options["every"], 1)))
        self.stdout.write(text)
        if not options["dry_run"]:
            replace_between(options["out"], MARKER, text)


def as_markdown(found: Any, figures: Mapping[str, Any]) -> str:
    """The section: a note, the table, and how to read it."""
    asked = next(iter(figures.values())).members
    note = NOTE.format(
        places=len(found.market),
        markets=len(set(found.market.tolist())),
        early=len(found.early[0]),
        members=found.members,
        late=len(found.late[0]),
        asked=asked,
    )
    lines = [
        "| | recall at 20 | ahead of log-odds by | NDCG at 10 | ahead of log-odds by |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, one in figures.items():
        cells = [_pair(name, *one.recall), _pair(name, *one.ndcg)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n\n".join(
        [
            "## Where people go next: check-ins",
            "`manage.py evaluate_foursquare $RAYA_RECS_DATA/foursquare`",
            note,
            "\n".join(lines),
            READING,
        ]
    )


def _pair(name: str, mean: float, ahead: float, low: float, high: float) -> str:
    said = "" if name == "log-odds" else f"{ahead:+.4f} ({low:+.4f} to {high:+.4f})"
    return f"{mean:.4f} | {said}"
