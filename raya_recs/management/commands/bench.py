"""`manage.py bench`: what lists, retrieval, refreshes, events and simulating cost here, beside a baseline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from apps.simulation.bench import conditions, events, growth, pacer, refresh, retrieval, serving, simulate
from raya_recs.embedded import EmbeddedServers
from raya_recs.processes import ProcessError

# What each works on: a kind of market in stores of its own, cached under var/bench, or nothing.
MARKETS = {
    "serving": "market",
    "refresh": "market",
    "events": "market",
    "pacer": "simulated",
    "simulate": "new",
}
NOT_KEPT = frozenset({"simulate"})  # it writes what the others find
PLANS: Mapping[str, Callable[..., Any]] = {
    "serving": serving.Plan,
    "retrieval": retrieval.Plan,
    "refresh": refresh.Plan,
    "events": events.Plan,
    "pacer": pacer.Plan,
    "conditions": conditions.Plan,
    "growth": growth.Plan,
    "simulate": simulate.Plan,
}
BENCHES: Mapping[str, Callable[[Any, Callable[[str], object]], Mapping[str, Any]]] = {
    "serving": serving.bench_serving,
    "retrieval": retrieval.bench_retrieval,
    "refresh": refresh.bench_refresh,
    "events": events.bench_events,
    "pacer": pacer.bench_pacer,
    "conditions": conditions.bench_conditions,
    "growth": growth.bench_growth,
    "simulate": simulate.bench_simulate,
}
LESS = "less where few --members are asked for"
# What a plan says otherwise than by itself: of every bench, then of one alone.
OPTIONS: Mapping[str, Mapping[str, tuple[type, str]]] = {
    "all": {
        "members": (
            int,
            "of the market (1,000,000; growth 200,000; events 50,000; simulate 20,000; pacer 2,000)",
        ),
        "seconds": (float, f"per round (2.5; for events 3; for retrieval 1; {LESS})"),
        "repeat": (
            int,
            f"rounds (5; for refresh and simulate 1; for growth 60; {LESS}); figures are medians",
        ),
        "connections": (int, "of the load driver (8; for events 4)"),
    },
    "events": {
        "batch": (int, "events in a request (100)"),
        "effects": (int, "passes to time until the next list (100)"),
    },
    "serving and refresh": {"rules": (int, "live rules (100)")},
    "serving": {
        "limit": (int, "items asked for (20)"),
        "seen": (int, "people each viewer has seen (500)"),
        "held": (int, "people held back from each viewer (50)"),
        "workers": (int, "of the server (2)"),
        "flags": (int, "live flags (20)"),
        "experiments": (int, "running experiments (5)"),
    },
    "simulate": {"days": (int, f"of events (3; {LESS})")},
    "pacer": {
        "lists": (float, "a minute, on average (12)"),
        "share": (float, "of the places for the segment (0.1)"),
        "floor": (int, "a day for each newcomer (1.25 x unpaced)"),
    },
}
# What a plan says when so few members were asked for and nothing else, so that each ends within a minute once
# its market is there. Figures of fewer and shorter rounds are noisier.
SMALL = 50_000
QUICK: Mapping[str, Mapping[str, float]] = {
    "serving": {"seconds": 0.4, "repeat": 2, "paired": 260},
    "retrieval": {"seconds": 0.4, "repeat": 3},
    "simulate": {"days": 1},
    "events": {"seconds": 1.0, "repeat": 2, "effects": 30},
}
OWN = "BENCH_HAS_OWN_STORES"
FOLDERS = ("SNAPSHOT_DIR", "GRANTS_DIR", "MODEL_DIR", "METRICS_DIR", "CELERY_BROKER", "CELERY_BROKER_URL")


class Command(BaseCommand):
    help = (
        "Measures CPU and speed beside a baseline. `serving`: a recommendation beside an empty view. "
        "`retrieval`: the search for candidates beside plain numpy. `refresh`: from Postgres to the active "
        "snapshot. `events`: batches of events through one API process beside COPY of the same rows. "
        "`conditions`: the time of a verdict, from the dearest that is allowed to floods. `pacer`: a "
        "simulated day of a share target and a floor. `growth`: the CPU of one list by the pipeline alone "
        "as a market, members, the list, people seen and rules grow. `simulate`: a market with known truth, "
        "written through the services, beside COPY of the same rows. Each makes its own market, in stores of "
        "its own where it needs any, which it starts and stops, and keeps it under var/bench; `simulate` "
        "removes it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=[*BENCHES])
        parser.add_argument("--json", type=Path, help="write all figures to this file, name to number")
        for title, options in OPTIONS.items():
            group = parser.add_argument_group(title)
            for name, (kind, said) in options.items():
                group.add_argument(f"--{name}", type=kind, help=said)

    def handle(self, **options: Any) -> None:
        what = options["what"]
        plan = plan_for(what, options)
        if what in MARKETS and OWN not in os.environ:
            name = f"{MARKETS[what]}-{plan.members}"
            self._again_with_own_stores(name, keep=what not in NOT_KEPT)
            return
        if what in MARKETS:
            _prepare_stores()
        figures = {name: _rounded(value) for name, value in BENCHES[what](plan, self._say).items()}
        for name, value in figures.items():
            self._say(f"{name} {value}")
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1))

    def _again_with_own_stores(self, name: str, *, keep: bool) -> None:
        """This command once more, in a process whose settings know only the market's own stores."""
        folder = Path(settings.VAR_DIR).resolve() / "bench" / name
        env = {key: value for key, value in os.environ.items() if key not in FOLDERS}
        try:
            with EmbeddedServers(folder, say=self._say) as servers:
                stores = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
                env |= {**stores, "VAR_DIR": str(folder), OWN: "1"}
                code = subprocess.call([sys.executable, *sys.argv], env=env)
            if not keep:
                servers.destroy()
        except ProcessError as error:
            raise CommandError(str(error)) from error
        if code:
            raise CommandError("The benchmark failed.", returncode=code)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _prepare_stores() -> None:
    """Tables as the code wants them; nothing online of an earlier run."""
    shutil.rmtree(settings.GRANTS_DIR, ignore_errors=True)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    call_command("migrate", verbosity=0, interactive=False)


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else round(value, 4)


def plan_for(what: str, options: Mapping[str, Any]) -> Any:
    """What was asked for; of the rest what is quick where few members were, and the plan's own values."""
    kind = PLANS[what]
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    asked = {name: options[name] for name in names if options.get(name) is not None}
    quick = QUICK.get(what, {}) if asked.get("members", SMALL + 1) <= SMALL else {}
    return kind(**{**quick, **asked})
