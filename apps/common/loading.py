"""The frame of commands that load a file through a service: streamed, in batches, with errors by line.

A command names its body and its batch and says how a batch is saved; reading, counting and printing are here.
"""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import BaseCommand, CommandError

from apps.common.bodies import Body, Rejected, parse_row
from apps.common.rows import read_rows

SHOWN_ERRORS = 20
PROGRESS_EVERY = 10  # batches


class Result(Protocol):
    """RowResult and EventResult."""

    @property
    def status(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def field(self) -> str | None: ...
    @property
    def detail(self) -> str | None: ...


class LoadCommand(BaseCommand, ABC):
    """Loads FILE: JSON lines or CSV in the REST schema, gzipped (.gz) or not. Safe to repeat."""

    body: type[Body]
    batch = 1000

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help=".jsonl or .csv, or either with .gz")
        parser.add_argument("--dry-run", action="store_true", help="read and check every line, write nothing")

    def handle(self, *, file: Path, dry_run: bool, **_: Any) -> None:
        counts: Counter[str] = Counter()
        try:
            for number, batch in enumerate(self._batches(file), start=1):
                self._load(batch, counts, dry_run=dry_run)
                if number % PROGRESS_EVERY == 0:
                    self.stderr.write(f"{counts.total():,} lines")
        except (OSError, EOFError, ValueError, csv.Error) as error:
            raise CommandError(f"{file}: {error}") from error
        said = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "no lines"
        self.stdout.write(f"{said}{' (dry run: nothing written)' if dry_run else ''}")
        if counts["rejected"]:
            raise CommandError(f"{counts['rejected']:,} of {counts.total():,} lines were rejected.")

    @abstractmethod
    def save(self, bodies: Sequence[Any]) -> Sequence[Result]:
        """A result per body, in order."""

    def refusal(self, body: Any) -> Rejected | None:
        """What a line in a file needs beyond its body."""
        return None

    def _batches(self, file: Path) -> Iterator[list[tuple[int, Any]]]:
        lines = iter(read_rows(file, self.body))
        while batch := list(islice(lines, self.batch)):
            yield [(line, self._parsed(data)) for line, data in batch]

    def _parsed(self, data: Any) -> Any:
        found = data if isinstance(data, Rejected) else parse_row(self.body, data)
        return found if isinstance(found, Rejected) else self.refusal(found) or found

    def _load(self, batch: list[tuple[int, Any]], counts: Counter[str], *, dry_run: bool) -> None:
        good = [(line, body) for line, body in batch if not isinstance(body, Rejected)]
        refused: list[tuple[int, Any]] = [(line, body) for line, body in batch if isinstance(body, Rejected)]
        if dry_run:
            counts["good"] += len(good)
        elif good:
            results = self.save([body for _, body in good])
            for (line, _), result in zip(good, results, strict=True):
                if result.status == "rejected":
                    refused.append((line, result))
                else:
                    counts[result.status] += 1
        for line, refusal in sorted(refused, key=lambda pair: pair[0]):
            if counts["rejected"] < SHOWN_ERRORS:
                where = f" ({refusal.field})" if refusal.field else ""
                self.stderr.write(f"line {line}: {refusal.code}{where}: {refusal.detail}")
            counts["rejected"] += 1
