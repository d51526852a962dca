"""`manage.py recommend MEMBER --surface S`: one member's list as a table, as a dry run unless told."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.common.errors import Problem
from apps.delivery import runtime
from apps.delivery.services import explain, recommend


class Command(BaseCommand):
    help = "Prints the list that a member would get now, with reasons."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("member", help="the app's id of the member")
        parser.add_argument("--surface", default="dating", help="dating, networking, travel ...")
        parser.add_argument("--limit", type=int, default=10)
        parser.add_argument("--market", help="another market than the member's own")
        parser.add_argument("--explain", action="store_true", help="how each score came about")
        parser.add_argument(
            "--deliver", action="store_true", help="reserve exposures and log, as the API does"
        )

    def handle(self, *, member: str, surface: str, limit: int, **options: Any) -> None:
        try:
            answer = recommend(
                surface=surface,
                member=member,
                limit=limit,
                market=options["market"],
                dry_run=not options["deliver"],
            )
            self._print(answer, member)
            if options["explain"]:
                self._explain(answer, member)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        finally:
            runtime.stop()

    def _print(self, answer: dict[str, Any], member: str) -> None:
        self.stdout.write(
            f"{answer['surface']} for {member}: release {answer['release']}, snapshot {answer['snapshot']}"
        )
        width = max([len(item["id"]) for item in answer["items"]], default=2)
        for item in answer["items"]:
            reasons = "; ".join(item["reasons"])
            self.stdout.write(f"{item['rank']:>4}  {item['id']:<{width}}  {item['score']:8.4f}  {reasons}")
        shortfall = answer["shortfall"]
        if shortfall["missing"]:
            self.stdout.write(f"{shortfall['missing']} fewer than asked: {', '.join(shortfall['reasons'])}")
        if answer["degraded"]:
            self.stdout.write(f"degraded: {', '.join(answer['degraded'])}")

    def _explain(self, answer: dict[str, Any], member: str) -> None:
        for item in answer["items"]:
            found = explain(surface=answer["surface"], viewer=member, candidate=item["id"], private=True)
            self.stdout.write(f"\n{item['id']}: {found['sentence']}")
            write_waterfall(self, found["waterfall"])


def write_waterfall(command: BaseCommand, waterfall: dict[str, Any] | None) -> None:
    """How a score came about, one line per part."""
    for name, value in (waterfall or {}).items():
        if name == "features":
            for feature, parts in value.items():
                said = "  ".join(f"{part} {amount:.4f}" for part, amount in parts.items())
                command.stdout.write(f"      {feature:<24} {said}")
        elif name == "rules":
            for step in value:
                command.stdout.write(f"      {step['rule']:<24} x {step['factor']:g}")
        elif isinstance(value, (int, float)):
            command.stdout.write(f"    {name:<26} {value:.4f}")
