"""Rows for tests of the refresh: a market, members and places as Postgres holds them."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from apps.common import clock, geo
from apps.interactions.models import Relationship
from apps.members.models import Member
from apps.places.models import Place
from apps.surfaces.models import Market

TODAY = date(2026, 6, 15)
LONDON = (51.5, -0.12)


def make_market(key: str = "london", centre: tuple[float, float] = LONDON) -> Market:
    return Market.objects.create(key=key, name=key.title(), latitude=centre[0], longitude=centre[1])


def make_member(name: str, market: Market | None = None, **values: Any) -> Member:
    home = {} if market is None else {"home_market": market, "home_cell": geo.cell_of(*LONDON)}
    defaults: dict[str, Any] = {
        "external_id": name,
        "display_name": name.title(),
        "status": "active",
        "birth_date": date(1990, 1, 31),
        "gender": "woman",
        "seeking": ["man"],
        "joined_at": datetime(2026, 1, 1, 12, tzinfo=UTC),
        **home,
    }
    return Member.objects.create(**{**defaults, **values})


def make_place(name: str, market: Market, **values: Any) -> Place:
    defaults: dict[str, Any] = {
        "external_id": name,
        "name": name.title(),
        "market": market,
        "cell": geo.cell_of(*LONDON),
        "category": "bar",
    }
    return Place.objects.create(**{**defaults, **values})


def decide(
    actor: Member, target: Member | Place, state: str, *, surface: str = "dating", days_ago: float = 1
) -> None:
    kind = "place" if isinstance(target, Place) else "member"
    Relationship.objects.create(
        actor=actor.number,
        target=target.number,
        target_kind=kind,
        surface=surface,
        state=state,
        decided_at=clock.now() - timedelta(days=days_ago),
        decided_by=uuid.uuid4(),
    )
