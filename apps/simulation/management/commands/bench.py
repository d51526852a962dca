"""`manage.py bench`: what recommendations, retrieval and events cost on this machine, beside a baseline."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from apps.simulation.bench import conditions, events, pacer, retrieval, serving


class Command(BaseCommand):
    help = (
        "Measures CPU and speed beside a baseline. `serving`: a recommendation beside an empty view. "
        "`events`: batches of events through one API process beside COPY of the same rows. Both fill the "
        "online state and leave deliveries and events behind: give them a database of their own. "
        "`retrieval`: the search for candidates beside plain numpy, on markets of its own under var/. "
        "`conditions`: the time of a verdict, from the dearest that is allowed to floods. "
        "`pacer`: a simulated day of a share target and a floor; it leaves a release behind."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["serving", "events", "retrieval", "conditions", "pacer"])
        parser.add_argument(
            "--members", type=int, help="of the market (20,000; for events 2,000; for retrieval 1,000,000)"
        )
        parser.add_argument("--seconds", type=float, help="per round (10; for events 8; for retrieval 1)")
        parser.add_argument(
            "--repeat", type=int, help="rounds (3; for retrieval 5); the figures are their medians"
        )
        parser.add_argument("--connections", type=int, help="of the load driver (8; for events 4)")
        parser.add_argument("--json", type=Path, help="write all figures to this file")
        of_events = parser.add_argument_group("events")
        of_events.add_argument("--batch", type=int, help="events in a request (100)")
        of_events.add_argument("--effects", type=int, help="passes to time until the next list (100)")
        of_serving = parser.add_argument_group("serving")
        of_serving.add_argument("--limit", type=int, help="items asked for (20)")
        of_serving.add_argument("--seen", type=int, help="people each viewer has seen (500)")
        of_serving.add_argument("--held", type=int, help="people held back from each viewer (50)")
        of_serving.add_argument("--workers", type=int, help="of the server (2)")
        of_serving.add_argument("--rules", type=int, help="live rules, beside none (0)")
        of_serving.add_argument("--flags", type=int, help="live flags (0)")
        of_serving.add_argument("--experiments", type=int, help="running experiments (0)")

        of_pacer = parser.add_argument_group("pacer")
        of_pacer.add_argument("--lists", type=float, help="a minute, on average (12)")
        of_pacer.add_argument("--share", type=float, help="of the places for the segment (0.1)")
        of_pacer.add_argument("--floor", type=int, help="a day for each newcomer (1.25 x unpaced)")

    def handle(self, **options: Any) -> None:
        measure = {
            "serving": self._serving,
            "events": self._events,
            "retrieval": self._retrieval,
            "conditions": self._conditions,
            "pacer": self._pacer,
        }
        found = measure[options["what"]](options)
        if options["json"]:
            options["json"].write_text(json.dumps(found, indent=1))

    def _serving(self, options: dict[str, Any]) -> dict[str, Any]:
        found = serving.bench_serving(_plan(serving.Plan, options), self.stdout.write)
        for name, figures in found["median"].items():
            said = ", ".join(f"{figure} {value}" for figure, value in figures.items())
            self.stdout.write(f"median {name}: {said}")
        return found

    def _conditions(self, options: dict[str, Any]) -> dict[str, Any]:
        found = conditions.bench_conditions(options["repeat"] or 5)
        for name, said in found.items():
            self.stdout.write(f"{name}: {said['ms']} ms CPU, {said['verdict']}")
        return found

    def _retrieval(self, options: dict[str, Any]) -> dict[str, Any]:
        return retrieval.bench_retrieval(_plan(retrieval.Plan, options), self.stdout.write)

    def _pacer(self, options: dict[str, Any]) -> dict[str, Any]:
        found = pacer.bench_pacer(_plan(pacer.Plan, options), self.stdout.write)
        named = {name: value for name, value in found.items() if name not in ("plan", "unpaced")}
        self.stdout.write(", ".join(f"{name} {value}" for name, value in named.items()))
        return found

    def _events(self, options: dict[str, Any]) -> dict[str, Any]:
        found = events.bench_events(_plan(events.Plan, options), self.stdout.write)
        named = {name: value for name, value in found.items() if name not in ("plan", "rounds")}
        self.stdout.write("median: " + ", ".join(f"{name} {value}" for name, value in named.items()))
        return found


def _plan(kind: Callable[..., Any], options: dict[str, Any]) -> Any:
    """What was asked for; the plan's own values for the rest."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: options[name] for name in names if options[name] is not None})
