"""manage.py load_dataset NAME PATH: a public data set, through the services that the API uses."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from pydantic import ValidationError

from apps.common import clock
from apps.interactions.bodies import EventBody
from apps.interactions.services import EventResult, record_events
from apps.members.services import save_members
from apps.places.services import save_places
from apps.simulation.datasets import Dataset, foursquare, okcupid, speed_dating
from apps.surfaces.services import ensure_market

READERS: dict[str, Callable[[Path], Dataset]] = {
    "okcupid": okcupid.read,
    "speed_dating": speed_dating.read,
    "foursquare": foursquare.read,
}
T = TypeVar("T")


class Command(BaseCommand):
    help = "Loads a public data set as members, places and events. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=sorted(READERS))
        parser.add_argument("path", type=Path, help="the file, or the folder that holds it")

    def handle(self, *, name: str, path: Path, **_: Any) -> None:
        try:
            self._load(READERS[name](path))
        except (OSError, KeyError, ValueError, ValidationError) as error:
            raise CommandError(f"{path}: not the {name} data: {error}") from error

    def _load(self, dataset: Dataset) -> None:
        for market in dataset.markets:
            key, title, latitude, longitude, country, timezone = astuple(market)
            ensure_market(key, title, latitude, longitude, country=country, timezone=timezone)
        self._write("members", dataset.members, save_members, 1000)
        self._write("places", dataset.places, save_places, 1000)
        self._write("events", dataset.events, _record, 5000)

    def _write(
        self, what: str, rows: Iterable[T], save: Callable[[Sequence[T]], Sequence[Any]], size: int
    ) -> None:
        counts: Counter[str] = Counter()
        for batch in _batches(rows, size):
            for result in save(batch):
                counts[result.status] += 1
                if result.status == "rejected":
                    raise CommandError(f"{what} {result.id}: {result.code} {result.detail}")
            if counts.total() // size % 10 == 0:
                self.stderr.write(f"{counts.total():,} {what}")
        if counts:
            said = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
            self.stdout.write(f"{what}: {said}")


def _record(events: Sequence[EventBody]) -> list[EventResult]:
    return record_events(events, now=clock.now(), backfill=True)


def _batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
