"""`manage.py traffic`: members of the simulated market visit now, and act on the lists they are shown."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.delivery import runtime
from apps.simulation.store import truth_of
from apps.simulation.traffic import drive
from apps.simulation.world import SURFACES


class Command(BaseCommand):
    help = "Members of the simulated market visit now: they ask for lists, look, like and pass."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--visits", type=int, default=300, help="lists asked for")
        parser.add_argument("--surface", default="dating", choices=SURFACES)
        parser.add_argument("--market-seed", type=int, default=1, help="the --seed of `simulate`")
        parser.add_argument("--seed", type=int, help="of who visits when and likes whom; default: the time")

    def handle(self, *, visits: int, surface: str, market_seed: int, **options: Any) -> None:
        if not 1 <= visits <= 1_000_000:
            raise CommandError("--visits is within 1 and 1,000,000")
        seed = time.time_ns() if options["seed"] is None else options["seed"]
        try:
            truth = truth_of(market_seed)
        except LookupError as error:
            raise CommandError(f"{error}: run `manage.py simulate` first") from error
        try:
            done = drive(truth, surface=surface, visits=visits, seed=seed, say=self.stdout.write)
        finally:
            runtime.stop()
        refused = f", {done.refused} got no list" if done.refused else ""
        self.stdout.write(
            f"{done.visits} visits on {surface}: {done.shown} shown, {done.likes} liked, "
            f"{done.returned} liked back{refused}"
        )
