"""A simulated world in the REST schema: bodies of members, connections, trips, places, lists and events.

Takes a Truth and its history; gives the very bodies that the API would parse, so that nothing gets in by
a side door. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import compress
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from apps.interactions.bodies import EventBody
from apps.members.bodies import ConnectionBody, MemberBody, TripBody
from apps.pipeline.vocabulary import GENDERS, INTENTS, names_of
from apps.places.bodies import ListBody, PlaceBody
from apps.simulation import words
from apps.simulation.cities import CITIES
from apps.simulation.graph import KINDS, Edges
from apps.simulation.log import TYPES, Events
from apps.simulation.population import CRAFTS, STATUSES
from apps.simulation.schedule import Trips
from apps.simulation.truth import Truth, member_id, place_id
from apps.simulation.world import SURFACES, digest, generator

EPOCH = date(1970, 1, 1)
TRAVEL = SURFACES.index("travel")
LETTERS = "ABCDEFGHIJKLMNOPRSTVWYZ"


def member_bodies(truth: Truth, events: Events) -> Iterator[tuple[str, MemberBody]]:
    """Every member, with the last moment they were seen."""
    m, world = truth.members, truth.world
    g = generator(world, "names")
    u, initials = g.random(len(m)), g.choice(list(LETTERS), len(m))
    last = m.joined + 60
    np.maximum.at(last, events.actor, events.at)
    for i in range(len(m)):
        gender = names_of(int(m.gender[i]), GENDERS)[0]
        names = words.GIVEN_NAMES[gender]
        yield (
            member_id(world, i),
            MemberBody.model_validate(
                {
                    "display_name": f"{names[int(u[i] * len(names))]} {initials[i]}.",
                    "status": STATUSES[m.status[i]],
                    "visibility": "hidden" if m.hidden[i] else "visible",
                    "birth_date": _day(m.birth_day[i]) if m.birth_known[i] else None,
                    "gender": gender,
                    "seeking": list(names_of(int(m.seeking[i]), GENDERS)),
                    "intents": list(names_of(int(m.intents[i]), INTENTS)),
                    "age_min": int(m.age_min[i]),
                    "age_max": int(m.age_max[i]),
                    "max_distance_km": int(m.max_distance[i]) or None,
                    "home": _home(m.latitude[i], m.longitude[i], int(m.market[i])),
                    "industries": _chosen(words.INDUSTRIES, m.industries[i]),
                    "crafts": _chosen(CRAFTS, m.crafts[i]),
                    "skills": _chosen(words.SKILLS, m.skills[i]),
                    "interests": {
                        words.INTERESTS[k]: float(m.interests[i, k]) for k in np.flatnonzero(m.interests[i])
                    },
                    "joined_at": moment(int(m.joined[i])),
                    "last_active_at": moment(int(last[i])),
                }
            ),
        )


def connection_bodies(truth: Truth, edges: Edges) -> Iterator[tuple[str, str, ConnectionBody]]:
    for i in range(len(edges)):
        body = {"kind": KINDS[edges.kind[i]], "visible": bool(edges.visible[i])}
        yield (
            member_id(truth.world, int(edges.a[i])),
            member_id(truth.world, int(edges.b[i])),
            ConnectionBody.model_validate(body),
        )


def trip_bodies(truth: Truth, trips: Trips) -> Iterator[tuple[str, list[TripBody]]]:
    for i in range(len(trips.member)):
        trip = TripBody(
            market=CITIES[trips.market[i]].key,
            starts_on=_day(trips.first_day[i]),
            ends_on=_day(trips.last_day[i]),
        )
        yield member_id(truth.world, int(trips.member[i])), [trip]


def place_bodies(truth: Truth) -> Iterator[tuple[str, PlaceBody]]:
    v, g = truth.venues, generator(truth.world, "place names")
    drawn = g.integers(0, len(words.PLACE_NAMES), (len(v), 2))
    for i in range(len(v)):
        first, second = (words.PLACE_NAMES[k] for k in drawn[i])
        category = words.CATEGORIES[v.category[i]]
        yield (
            place_id(truth.world, i),
            PlaceBody.model_validate(
                {
                    "name": f"{first} & {second} {category.title()}",
                    "location": _home(v.latitude[i], v.longitude[i], int(v.market[i])),
                    "category": category,
                    "tags": _chosen(words.TAGS, v.tags[i]),
                    "price_band": int(v.price_band[i]),
                    "is_open": not bool(v.closed[i]),
                    "open_months": _months(v.open_months[i]),
                    "best_months": _months(v.best_months[i]),
                }
            ),
        )


def _months(row: Any) -> list[int]:
    """Those of twelve, from 1; none where all are."""
    return [] if row.all() else [month for month in range(1, 13) if row[month - 1]]


def list_bodies(truth: Truth) -> Iterator[tuple[str, ListBody]]:
    """Live from before the history until two months after it."""
    today = moment(truth.world.anchor).date()
    for index, (market, title, places) in enumerate(truth.venues.lists):
        yield (
            f"sim{truth.world.seed}-list{index}",
            ListBody(
                title=title,
                owner="Editorial",
                market=CITIES[market].key,
                starts_on=today - timedelta(days=truth.world.days),
                ends_on=today + timedelta(days=60),
                places=[place_id(truth.world, place) for place in places],
            ),
        )


def event_bodies(truth: Truth, events: Events, rows: range) -> list[EventBody]:
    """Some rows of a history. An event's id follows from the world and its place in the history."""
    world, name, part = truth.world, digest(truth.world), slice(rows.start, rows.stop)
    columns = (events.type, events.actor, events.target, events.surface, events.position, events.at)
    bodies = []
    for row, values in zip(
        rows, zip(*(column[part].tolist() for column in columns), strict=True), strict=True
    ):
        kind, actor, target, surface, position, at = values
        travel = surface == TRAVEL
        body = {
            "id": uuid5(NAMESPACE_URL, f"simulation:{name}:{row}"),
            "type": TYPES[kind],
            "actor": member_id(world, actor),
            "target": place_id(world, target) if travel else member_id(world, target),
            "target_kind": "place" if travel else "member",
            "surface": SURFACES[surface] if surface >= 0 else None,
            "position": position if position >= 0 else None,
            "occurred_at": moment(at),
        }
        bodies.append(EventBody.model_validate(body))
    return bodies


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _day(days: Any) -> date:
    return EPOCH + timedelta(days=int(days))


def _home(latitude: Any, longitude: Any, market: int) -> dict[str, Any]:
    return {"latitude": float(latitude), "longitude": float(longitude), "market": CITIES[market].key}


def _chosen(names: tuple[str, ...], row: Any) -> list[str]:
    return list(compress(names, row))
