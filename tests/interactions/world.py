"""Members and events of a small world, written through the services that the API uses."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from apps.interactions.bodies import EventBody
from apps.interactions.checks import EventResult
from apps.interactions.models import Relationship
from apps.interactions.services import record_events
from apps.members.bodies import MemberBody
from apps.members.selectors import numbers_of
from apps.members.services import save_members
from apps.places.bodies import PlaceBody
from apps.places.services import save_places
from apps.surfaces.services import ensure_market

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def people(*ids: str) -> dict[str, int]:
    """Adult, active, visible members of London; their numbers."""
    london()
    save_members([(i, MemberBody.model_validate(profile(display_name=i.title()))) for i in ids])
    return numbers_of(ids)


def profile(**values: Any) -> dict[str, Any]:
    return {"display_name": "Ada", "status": "active", "birth_date": "1990-01-31", "gender": "woman"} | values


def london() -> None:
    ensure_market("london", "London", 51.5, -0.12, country="GB", timezone="Europe/London")


def bar() -> None:
    london()
    save_places([("bar", PlaceBody.model_validate(place()))])


def place(**values: Any) -> dict[str, Any]:
    location = {"latitude": 51.50123, "longitude": -0.12345}
    return {"name": "The Bar", "location": location, "category": "bar"} | values


def event(type_: str, actor: str, target: str, *, minute: float = 0, **values: Any) -> EventBody:
    """`minute` counts from an hour before NOW. Surface: dating, or travel for a save."""
    surface = {"save": "travel", "undo": None}.get(type_, "dating")
    given = {
        "id": str(uuid4()),
        "type": type_,
        "actor": actor,
        "target": target,
        "surface": surface,
        "occurred_at": NOW - timedelta(hours=1) + timedelta(minutes=minute),
    }
    return EventBody.model_validate(given | values)


def undo(of: EventBody, *, minute: float = 30, actor: str | None = None) -> EventBody:
    return event("undo", actor or of.actor, str(of.id), minute=minute)


def send(*events: EventBody, **values: Any) -> list[EventResult]:
    return record_events(list(events), **{"now": NOW, **values})


def refusals(*events: EventBody, **values: Any) -> list[tuple[str | None, str | None]]:
    return [(result.code, result.field) for result in send(*events, **values)]


def relationships() -> dict[tuple[int, int, str], str]:
    """State by (actor, target, surface)."""
    rows = Relationship.objects.values_list("actor", "target", "surface", "state")
    return {(actor, target, surface): state for actor, target, surface, state in rows}


def new_id() -> UUID:
    return uuid4()
