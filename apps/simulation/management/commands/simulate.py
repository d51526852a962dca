"""`manage.py simulate`: a synthetic market with known truth, written as if the app had sent it."""

from __future__ import annotations

from argparse import ArgumentParser
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.common.errors import Problem
from apps.simulation.services import simulate_market, world_for
from apps.simulation.world import World


class Command(BaseCommand):
    help = (
        "Simulates a market with known truth: members, places, connections, days of events. Safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--members", type=int, default=World.members)
        parser.add_argument("--places", type=int, default=World.places)
        parser.add_argument("--days", type=int, default=World.days)
        parser.add_argument("--seed", type=int, default=World.seed)
        parser.add_argument(
            "--skew", type=float, default=World.skew, help="Gini of attractiveness: 0 uniform, 0.81 the most."
        )
        parser.add_argument(
            "--anchor", type=int, help="Seconds since 1970-01-01 UTC at which the history ends; default: now."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sizes = {name: options[name] for name in ("members", "places", "days", "seed", "skew", "anchor")}
        sizes = {name: value for name, value in sizes.items() if value is not None}
        started = monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{monotonic() - started:6.1f} s  {line}")
            self.stdout.flush()

        try:
            check_sizes(sizes)
            written = simulate_market(world_for(**sizes), say=say)
        except (Problem, ValueError) as error:
            raise CommandError(str(error)) from error
        say(
            f"done: {written.members:,} members, {written.places:,} places, "
            f"{written.connections:,} connections, "
            f"{written.events:,} events ({written.duplicates:,} were there already)"
        )


def check_sizes(sizes: dict[str, Any]) -> None:
    """Raises ValueError in plain words."""
    limits = {"members": (1, 1_000_000), "places": (1, 100_000), "days": (1, 365), "seed": (0, 999_999)}
    for name, (low, high) in limits.items():
        if not low <= sizes[name] <= high:
            raise ValueError(f"--{name} is within {low:,} and {high:,}")
    if not 0 <= sizes["skew"] <= 0.95:
        raise ValueError("--skew is within 0 and 0.95")
