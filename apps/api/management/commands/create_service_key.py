"""Makes a service key and prints it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.api.models import CallerClass, Scope
from apps.api.services import create_service_key
from apps.common.errors import Problem


class Command(BaseCommand):
    help = "Makes a service key and prints it. It is stored hashed: this is the only time it is shown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who will use it")
        parser.add_argument(
            "--scopes",
            nargs="+",
            metavar="SCOPE",
            required=True,
            help=f"of {', '.join(Scope.values)}; or all",
        )
        parser.add_argument(
            "--caller-class",
            choices=CallerClass.values,
            default=CallerClass.INTERACTIVE.value,
            help="background callers are sent away first when there is too much to do",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = Scope.values if options["scopes"] == ["all"] else options["scopes"]
        try:
            _, secret = create_service_key(options["name"], scopes, options["caller_class"])
        except Problem as problem:
            raise CommandError(problem.detail) from None
        self.stdout.write(secret)
