"""`manage.py explain VIEWER CANDIDATE --surface S`: why somebody is shown or not, what would change it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.common.errors import Problem
from apps.delivery import runtime
from apps.delivery.management.commands.recommend import write_waterfall
from apps.delivery.services import explain


class Command(BaseCommand):
    help = "Says why a candidate is or is not shown to a viewer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("viewer", help="the app's id of the member who looks")
        parser.add_argument("candidate", help="the app's id of the member or place")
        parser.add_argument("--surface", default="dating")
        parser.add_argument("--private", action="store_true", help="also reasons that are one side's secret")

    def handle(self, *, viewer: str, candidate: str, surface: str, private: bool, **_: Any) -> None:
        try:
            found = explain(surface=surface, viewer=viewer, candidate=candidate, private=private)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        finally:
            runtime.stop()
        shown = f"shown, at rank {found['rank']}" if found["shown"] else f"not shown ({found['stage']})"
        self.stdout.write(f"{candidate} to {viewer} on {surface}: {shown}")
        self.stdout.write(f"  {found['sentence']}")
        for reason in found.get("because", []):
            self.stdout.write(f"  because: {reason}")
        for change in found["change"]:
            said = ", ".join(f"{name} {value}" for name, value in change.items())
            self.stdout.write(f"  would help: {said}")
        write_waterfall(self, found["waterfall"])
