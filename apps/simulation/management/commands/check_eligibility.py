"""`manage.py check_eligibility`: lists of random viewers against an independent check in plain SQL."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.common.errors import Problem
from apps.simulation.eligibility_check import check_lists


class Command(BaseCommand):
    help = "Checks the lists of random viewers by plain SQL that shares no code with the pipeline."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--surface", required=True)
        parser.add_argument("--viewers", type=int, default=200)
        parser.add_argument("--limit", type=int, default=20)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--member", action="append", default=[], help="Only this viewer; may be repeated."
        )
        parser.add_argument("--market", default="", help="Only viewers at home in this market.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = check_lists(
                options["surface"],
                viewers=options["viewers"],
                limit=options["limit"],
                seed=options["seed"],
                market=options["market"],
                members=options["member"],
            )
        except Problem as problem:
            raise CommandError(str(problem)) from problem
        for violation in result.violations[:20]:
            self.stdout.write(f"{violation.viewer} {violation.candidate}: {', '.join(violation.broken)}")
        for sentence in result.wrong[:20]:
            self.stdout.write(sentence)
        line = (
            f"{options['surface']}: {result.viewers} viewers, {result.shown} shown, "
            f"{result.short} short lists ({result.empty} empty), "
            f"{len(result.violations)} violations, {len(result.wrong)} wrong answers"
        )
        if not result.good:
            raise CommandError(line)
        self.stdout.write(line)
