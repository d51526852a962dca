"""Public data sets mapped onto the REST schema. Each module reads one and gives a Dataset; none writes.

Ids are made from the files' own numbers and event ids from these (uuid5), so that loading twice changes
nothing. The files have no dates: ages are as stated on REFERENCE, and events are placed before it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO, cast
from uuid import UUID, uuid5

from apps.interactions.bodies import EventBody
from apps.members.bodies import MemberBody
from apps.places.bodies import PlaceBody

REFERENCE = date(2026, 1, 1)
_EVENTS = UUID("6c7b7a52-6f0a-5d0e-9d0f-3c1f7f1f2c55")


@dataclass(frozen=True)
class MarketRow:
    key: str
    name: str
    latitude: float
    longitude: float
    country: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True)
class Dataset:
    """What a file holds, in the order in which it is written."""

    markets: Iterable[MarketRow]
    members: Iterable[tuple[str, MemberBody]]
    places: Iterable[tuple[str, PlaceBody]] = ()
    events: Iterable[EventBody] = ()


def open_text(path: Path) -> IO[str]:
    """A text file, gzipped or not."""
    return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open())


def file_in(path: Path, name: str) -> Path:
    """`path` itself when it is a file, else `name` in it, with or without .gz. Raises FileNotFoundError."""
    for candidate in (path, path / name, path / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"no {name} or {name}.gz in {path}")


def birth_date(age: int, salt: int) -> date:
    """Somebody who is `age` on REFERENCE; birthdays are spread over the year by `salt`."""
    return date(REFERENCE.year - age, 1, 1) - timedelta(days=salt * 97 % 365)


def event_id(name: str) -> UUID:
    return uuid5(_EVENTS, name)
