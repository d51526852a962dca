"""`manage.py evaluate`: our lists beside others on the simulated market, by its truth; writes the page."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from apps.common.errors import Problem
from apps.refresh.selectors import learnt_report
from apps.simulation.evaluation import SurfaceResult, evaluate_surface
from apps.simulation.report import (
    MARKER,
    PREDICTIONS,
    as_markdown,
    predictions_as_markdown,
    replace_between,
)
from apps.simulation.store import kept_world, truth_of
from apps.simulation.truth import Truth
from apps.simulation.world import SURFACES, World


class Command(BaseCommand):
    help = (
        "Compares our lists with others on the simulated market of the configured database, says what each "
        "stage is worth, and how good the predictions are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=World.seed)
        parser.add_argument(
            "--members",
            type=int,
            help="First simulate a market of this size and refresh, unless it is there.",
        )
        parser.add_argument("--viewers", type=int, default=600, help="Random viewers per surface.")
        parser.add_argument(
            "--ablated", type=int, default=200, help="Of them, with each stage switched in turn."
        )
        parser.add_argument("--surface", choices=SURFACES, action="append", help="Default: all three.")
        parser.add_argument("--page", type=Path, default=Path(settings.BASE_DIR) / "docs" / "evaluation.md")
        parser.add_argument("--no-page", action="store_true", help="Print the tables only.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            truth = self._truth(options["seed"], options["members"])
            results = [self._surface(truth, s, options) for s in options["surface"] or SURFACES]
        except (Problem, LookupError) as error:
            raise CommandError(str(error)) from error
        said = {"command": _command(options), "size": _size(truth)}
        learnt = {result.surface: learnt_report().get(result.surface, {}) for result in results}
        texts = {
            MARKER: as_markdown(results, **said),
            PREDICTIONS: predictions_as_markdown(learnt, **said),
        }
        for marker, text in texts.items():
            self.stdout.write(text)
            if not options["no_page"]:
                replace_between(options["page"], marker, text)

    def _truth(self, seed: int, members: int | None) -> Truth:
        world = kept_world(seed)
        if members is not None and (world is None or world.members != members):
            call_command(
                "simulate", members=members, places=max(1, members // 10), seed=seed, stdout=self.stdout
            )
            call_command("refresh", stdout=self.stdout)
        return truth_of(seed)

    def _surface(self, truth: Truth, surface: str, options: dict[str, Any]) -> SurfaceResult:
        started = monotonic()

        def tick(done: int) -> None:
            if done % 200 == 0:
                self.stderr.write(f"{surface}: {done:,} viewers, {monotonic() - started:.0f} s")

        return evaluate_surface(
            truth, surface, viewers=options["viewers"], ablated=options["ablated"], tick=tick
        )


def _command(options: dict[str, Any]) -> str:
    return "manage.py evaluate " + " ".join(f"--{o} {options[o]}" for o in ("viewers", "ablated", "seed"))


def _size(truth: Truth) -> str:
    world = truth.world
    return f"{world.members:,} members, {world.places:,} places, {world.days} days (seed {world.seed})."
