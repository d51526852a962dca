"""`manage.py bench serving`: what a recommendation costs on this machine, beside an empty view."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from apps.simulation.bench.serving import Plan, bench_serving


class Command(BaseCommand):
    help = (
        "Measures CPU per request (workers and Valkey) and p50. It fills the online state and leaves "
        "deliveries behind: give it a database of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["serving"])
        parser.add_argument("--members", type=int, default=Plan.members)
        parser.add_argument("--seconds", type=float, default=Plan.seconds, help="per round")
        parser.add_argument("--repeat", type=int, default=Plan.repeat)
        parser.add_argument("--limit", type=int, default=Plan.limit)
        parser.add_argument("--seen", type=int, default=Plan.seen, help="people each viewer has seen")
        parser.add_argument("--held", type=int, default=Plan.held, help="people held back from each viewer")
        parser.add_argument("--connections", type=int, default=Plan.connections)
        parser.add_argument("--workers", type=int, default=Plan.workers)
        parser.add_argument("--rules", type=int, default=Plan.rules, help="live rules, beside none")
        parser.add_argument("--flags", type=int, default=Plan.flags)
        parser.add_argument("--experiments", type=int, default=Plan.experiments)
        parser.add_argument("--json", type=Path, help="write all figures to this file")

    def handle(self, **options: Any) -> None:
        plan = Plan(**{name: options[name] for name in Plan.__dataclass_fields__})
        found = bench_serving(plan, self.stdout.write)
        for name, figures in found["median"].items():
            said = ", ".join(f"{figure} {value}" for figure, value in figures.items())
            self.stdout.write(f"median {name}: {said}")
        if options["json"]:
            options["json"].write_text(json.dumps(found, indent=1))
