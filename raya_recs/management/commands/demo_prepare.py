"""`manage.py demo_prepare`: what the demo does once its stores run. `demo` calls it; nobody else needs to.

Migrates, simulates a market into an empty database, refreshes when no snapshot is active, starts an A/A
experiment and has members visit, makes the logins and the service key, and leaves what `demo` prints in
VAR_DIR/demo.json. Safe to repeat: what is there stays;
only a market whose simulation was interrupted is made anew, and only in the demo's own stores.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from raya_recs.demo_access import ensure_access
from raya_recs.demo_experiment import start_aa_experiment

NUMBERS = ("members", "places", "days", "seed")
VISITS = {"dating": 300, "networking": 100, "travel": 60}


class Command(BaseCommand):
    help = "Prepares the demo's data. Called by `demo`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name in NUMBERS:
            parser.add_argument(f"--{name}", type=int, required=True)
        parser.add_argument("--own-stores", action="store_true", help="the stores are the demo's alone")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(settings.VAR_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        interrupted = folder / "demo.simulating"
        if interrupted.exists() and options["own_stores"]:
            self._step("An earlier simulation was interrupted: starting it over")
            _empty_stores()
            interrupted.unlink()
        self._step("Migrating")
        call_command("migrate", verbosity=0, interactive=False)
        self._simulate(interrupted, {name: options[name] for name in NUMBERS})
        self._refresh()
        self._check_of_the_experiments(options["seed"])
        self._step("Collecting static files")
        call_command("collectstatic", verbosity=0, interactive=False)
        self._step("Making logins and a service key")
        path = folder / "demo.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.touch(mode=0o600)
        path.write_text(json.dumps(ensure_access(known), indent=1))

    def _simulate(self, started: Path, numbers: dict[str, int]) -> None:
        """The mark lies there while a simulation runs: found later, it says that the market is half made."""
        from apps.members.models import Member

        if started.exists() and Member.objects.exists():
            raise CommandError(
                "An earlier simulation into these stores was interrupted: empty the database, "
                f"or remove {started} to go on with what is there."
            )
        if Member.objects.exists():
            self._step(f"Keeping the {Member.objects.count():,} members that are there")
            return
        self._step(
            "Simulating a market: " + ", ".join(f"{name} {value:,}" for name, value in numbers.items())
        )
        started.touch()
        call_command("simulate", **numbers)
        started.unlink()

    def _refresh(self) -> None:
        from apps.refresh.models import SnapshotRow

        if SnapshotRow.objects.filter(status=SnapshotRow.Status.ACTIVE).exists():
            return
        self._step("Refreshing: learning from the events and building the first snapshot")
        call_command("refresh")

    def _check_of_the_experiments(self, seed: int) -> None:
        from apps.delivery.readings import read_experiments
        from apps.delivery.recent import count_recent
        from apps.interactions.daily import count_days
        from apps.releases.models import Release

        if Release.objects.count() > 1:
            return
        self._step("Starting an A/A experiment; members visit for the first time")
        start_aa_experiment()
        for surface, visits in VISITS.items():
            call_command("traffic", surface=surface, visits=visits, market_seed=seed, seed=seed)
        count_days()
        count_recent()
        read_experiments()

    def _step(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _empty_stores() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
