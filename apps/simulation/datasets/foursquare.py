"""Foursquare check-ins: places with their coordinates, visits, and a save for who came back.

A market is a square of one degree. Members have a minimal profile: hidden, so that they are shown to nobody,
with a made-up birth date (an adult may look), at home where they went most. The published split is in time:
train is placed in the first four months of 2025, tune in May, test in June; within it, by the file's order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import floor
from pathlib import Path

import numpy as np

from apps.common.geo import plane_of
from apps.interactions.bodies import EventBody
from apps.learning.place_study import CheckIns
from apps.members.bodies import MemberBody
from apps.pipeline.contracts import I64
from apps.places.bodies import PlaceBody
from apps.simulation.datasets import Dataset, MarketRow, event_id, file_in, open_text

SPLITS = {  # first day, days
    "train": (datetime(2025, 1, 1, tzinfo=UTC), 120),
    "tune": (datetime(2025, 5, 1, tzinfo=UTC), 31),
    "test": (datetime(2025, 6, 1, tzinfo=UTC), 30),
}
Point = tuple[float, float]
CheckIn = tuple[int, int, int]  # member, place, count


def read(path: Path) -> Dataset:
    """`path`: the folder. Raises OSError, ValueError for other files."""
    points = {int(place): (float(lat), float(lon)) for place, lat, lon in _fields(path, "poiCoos")}
    squares = sorted({_square(point) for point in points.values()})
    checkins = {
        split: [(int(member), int(place), int(count)) for member, place, count in _fields(path, split)]
        for split in SPLITS
    }
    return Dataset(
        markets=[
            MarketRow(_key(square), _name(square), square[0] + 0.5, square[1] + 0.5) for square in squares
        ],
        members=_members(checkins, points),
        places=((f"fsq-place-{n}", _place(n, point)) for n, point in points.items()),
        events=(event for split, rows in checkins.items() for event in _events(split, rows)),
    )


def _fields(path: Path, name: str) -> Iterator[list[str]]:
    with open_text(file_in(path, f"{name}.txt")) as file:
        for line in file:
            yield line.split("\t")


def _square(point: Point) -> tuple[int, int]:
    return floor(point[0]), floor(point[1])


def _key(square: tuple[int, int]) -> str:
    """As in sq-n40-w074."""
    lat, lon = square
    return f"sq-{'ns'[lat < 0]}{abs(lat):02d}-{'ew'[lon < 0]}{abs(lon):03d}"


def _name(square: tuple[int, int]) -> str:
    lat, lon = square
    return f"Around {abs(lat)} {'NS'[lat < 0]}, {abs(lon)} {'EW'[lon < 0]}"


def _place(number: int, point: Point) -> PlaceBody:
    location = {"latitude": point[0], "longitude": point[1], "market": _key(_square(point))}
    return PlaceBody.model_validate({"name": f"Place {number}", "location": location, "category": "place"})


def _members(
    checkins: dict[str, list[CheckIn]], points: dict[int, Point]
) -> Iterator[tuple[str, MemberBody]]:
    went: dict[int, Counter[int]] = defaultdict(Counter)
    for rows in checkins.values():
        for member, place, count in rows:
            went[member][place] += count
    for member, places in sorted(went.items()):
        point = points[max(places, key=lambda place: (places[place], -place))]
        profile = {
            "display_name": f"Traveller {member}",
            "status": "active",
            "visibility": "hidden",
            "birth_date": "1990-01-01",
            "home": {"latitude": point[0], "longitude": point[1], "market": _key(_square(point))},
            "joined_at": SPLITS["train"][0],
        }
        yield f"fsq-{member}", MemberBody.model_validate(profile)


def _events(split: str, rows: list[CheckIn]) -> Iterator[EventBody]:
    first, days = SPLITS[split]
    step = timedelta(days=days) / max(len(rows), 1)
    for i, (member, place, count) in enumerate(rows):
        for event_type in ("visit", "save") if count > 1 else ("visit",):
            yield EventBody.model_validate(
                {
                    "id": event_id(f"foursquare:{split}:{event_type}:{member}:{place}"),
                    "type": event_type,
                    "actor": f"fsq-{member}",
                    "target": f"fsq-place-{place}",
                    "surface": "travel",
                    "occurred_at": first + step * i,
                    "context": {"count": count} if event_type == "visit" else {},
                }
            )


def check_ins(path: Path) -> CheckIns:
    """Who went where, as rows: train early, tune between, test late. Raises OSError, ValueError."""
    points = {int(place): (float(lat), float(lon)) for place, lat, lon in _fields(path, "poiCoos")}
    places = sorted(points)
    row = {place: i for i, place in enumerate(places)}
    squares = sorted({_square(point) for point in points.values()})
    index = {square: i for i, square in enumerate(squares)}
    market = np.array([index[_square(points[place])] for place in places], "i4")
    x, y = np.zeros(len(places), "i4"), np.zeros(len(places), "i4")
    where = np.array([points[place] for place in places])
    for i, (lat, lon) in enumerate(squares):
        here = market == i
        x[here], y[here] = plane_of(where[here, 0], where[here, 1], (lat + 0.5, lon + 0.5))
    splits = {split: [(int(m), int(p)) for m, p, _ in _fields(path, split)] for split in SPLITS}
    members = {member: i for i, member in enumerate(sorted({member for member, _ in splits["train"]}))}

    def rows(split: str) -> tuple[I64, I64]:
        pairs = [(members[member], row[place]) for member, place in splits[split] if member in members]
        columns = np.array(pairs, "i8").reshape(-1, 2)
        return columns[:, 0], columns[:, 1]

    return CheckIns(rows("train"), rows("tune"), rows("test"), len(members), market, x, y)
