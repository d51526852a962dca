"""`manage.py demo`: the whole system on this machine, from nothing."""

import dataclasses
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from raya_recs.demo import DemoOptions, run_demo
from raya_recs.processes import ProcessError

HELP = {
    "members": "members to simulate on the first run",
    "places": "places to simulate on the first run",
    "days": "days of events to simulate on the first run",
    "seed": "the same seed makes the same market",
    "api_port": "the API's port; the next free one when it is taken",
    "admin_port": "the admin's port; the next free one when it is taken",
}


class Command(BaseCommand):
    help = (
        "Starts everything on this machine: Postgres and Valkey (embedded, unless DATABASE_URL and REDIS_URL "
        "name others), a simulated market on the first run, the API, the admin, a worker and the scheduler."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="print one ranked list per surface and stop")
        for field in dataclasses.fields(DemoOptions):
            if field.name in HELP:
                flag = f"--{field.name.replace('_', '-')}"
                parser.add_argument(flag, type=int, default=field.default, help=HELP[field.name])

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {name: options[name] for name in (*HELP, "once")}
        try:
            run_demo(DemoOptions(folder=Path(settings.VAR_DIR).resolve(), **chosen), self._say)
        except ProcessError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
