"""Writes a simulated market through the same services as the API, in sets.

Takes a World; gives how much was written. Safe to repeat: the same world has the same ids. It makes nothing
up itself (history.py) and knows no table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings

from apps.common.clock import now
from apps.common.errors import Conflict
from apps.interactions.copier import store
from apps.interactions.services import record_events
from apps.members.selectors import numbers_of
from apps.members.services import save_connections, save_members, save_trips
from apps.places.selectors import numbers_of as place_numbers_of
from apps.places.services import put_list, save_places
from apps.releases.selectors import live
from apps.simulation import bodies
from apps.simulation.cities import CITIES, list_is_present
from apps.simulation.graph import build_graph
from apps.simulation.history import draw_history
from apps.simulation.lists import delivery_rows
from apps.simulation.log import Events
from apps.simulation.schedule import build_trips
from apps.simulation.store import keep_world, kept_world
from apps.simulation.truth import Truth, build_truth, member_id, place_id
from apps.simulation.world import World
from apps.surfaces.services import ensure_market

T = TypeVar("T")
Say = Callable[[str], object]
HOUR = 3600
ROWS = 1000  # a call of the bulk services
EDGES = 10_000
EVENTS = 5000


@dataclass(frozen=True)
class Written:
    """Counts of what a simulation wrote or found already there."""

    members: int
    places: int
    connections: int
    trips: int
    events: int
    accepted: int
    duplicates: int


def world_for(**sizes: Any) -> World:
    """The world of these sizes. One written before keeps its anchor, a new one ends with the last hour.

    Raises Conflict when the members of this seed are already there with other sizes.
    """
    seed = sizes.get("seed", World.seed)
    before = kept_world(seed)
    there = bool(numbers_of([member_id(World(seed=seed), 0)]))
    anchor = int(now().timestamp()) // HOUR * HOUR
    fresh = {"anchor": anchor, "geonames": list_is_present(settings.DATA_DIR)}
    if not there:
        return World(**{**fresh, **sizes})
    if before is None:
        raise Conflict(f"Members of seed {seed} are there, but not the file that says which world they are.")
    world = World(**{**asdict(before), **sizes})
    if world != before:
        raise Conflict(f"Another market with seed {seed} is already there. Choose another seed.")
    return before


def simulate_market(
    world: World, *, say: Say = lambda line: None, ended: Say = lambda stage: None
) -> Written:
    """Draws the world and writes all of it. `say` is told of progress, `ended` the name of each stage."""
    truth = build_truth(world, data_dir=settings.DATA_DIR)
    keep_world(world)
    edges, trips = build_graph(world, truth.members), build_trips(world, truth.members.market)
    events = draw_history(truth)
    say(f"drawn: {len(truth.members):,} members, {len(truth.venues):,} places, {len(events):,} events")
    ended("drawing")
    _write_places(truth)
    say("written: places and curated lists")
    ended("places")
    for rows in _chunks(bodies.member_bodies(truth, events), ROWS):
        _all_good(save_members(rows))
    say("written: members")
    ended("members")
    for edge_rows in _chunks(bodies.connection_bodies(truth, edges), EDGES):
        _all_good(save_connections(edge_rows))
    for trip_rows in _chunks(bodies.trip_bodies(truth, trips), ROWS):
        _all_good(save_trips(trip_rows))
    say(f"written: {len(edges):,} connections, {len(trips.member):,} trips")
    ended("connections")
    accepted, duplicates = _write_events(truth, events, say)
    ended("events")
    say(f"written: {_write_lists(truth, events):,} past deliveries")
    ended("lists")
    return Written(
        members=len(truth.members),
        places=len(truth.venues),
        connections=len(edges),
        trips=len(trips.member),
        events=len(events),
        accepted=accepted,
        duplicates=duplicates,
    )


def _write_places(truth: Truth) -> None:
    for city in CITIES:
        ensure_market(
            city.key,
            city.name,
            city.latitude,
            city.longitude,
            country=city.country,
            timezone=city.timezone,
        )
    for rows in _chunks(bodies.place_bodies(truth), ROWS):
        _all_good(save_places(rows))
    for list_id, body in bodies.list_bodies(truth):
        put_list(list_id, body)


def _write_events(truth: Truth, events: Events, say: Say) -> tuple[int, int]:
    """In order of time. `now` is the real one: nothing of the history lies after it."""
    accepted = duplicates = 0
    for start in range(0, len(events), EVENTS):
        rows = range(start, min(start + EVENTS, len(events)))
        results = record_events(bodies.event_bodies(truth, events, rows), now=now(), backfill=True)
        _all_good(results)
        duplicate = sum(result.status == "duplicate" for result in results)
        accepted, duplicates = accepted + len(results) - duplicate, duplicates + duplicate
        if start // EVENTS % 10 == 9:
            say(f"written: {rows.stop:,} of {len(events):,} events")
    return accepted, duplicates


def _write_lists(truth: Truth, events: Events) -> int:
    world, written = truth.world, 0
    rows = delivery_rows(
        truth,
        events,
        release=live().stable_number,
        members=numbers_of(member_id(world, i) for i in range(len(truth.members))),
        places=place_numbers_of(place_id(world, i) for i in range(len(truth.venues))),
    )
    for chunk in _chunks(rows, EVENTS):
        store(chunk)
        written += len(chunk)
    return written


def _all_good(results: Iterable[Any]) -> None:
    """Raises on the first refusal: a world in which a service finds fault is a mistake of ours."""
    for result in results:
        if result.status == "rejected":
            raise RuntimeError(f"{result.id}: {result.code} {result.field or ''} {result.detail or ''}")


def _chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
