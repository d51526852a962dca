"""Bodies that belong to no app below: a ranking's, and patches and lists as the schema prints them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, RootModel, create_model

from apps.common.bodies import Body, Id, Key
from apps.interactions.bodies import EventBody, Uuid
from apps.members.bodies import ConnectionRowBody, MemberBody, TripsRowBody
from apps.places.bodies import PlaceBody

MOST_RANKED = 500
MOST_SHOWN = 100
DEFAULT_SHOWN = 20


class RankingBody(Body):
    """Orders given ids for a viewer under the surface's filters and caps."""

    surface: Key
    member: Id = Field(description="The viewer.")
    candidates: Annotated[list[Id], Field(min_length=1, max_length=MOST_RANKED)]
    limit: int | None = Field(default=None, ge=1, le=MOST_RANKED, description="None: all of them.")
    request_id: Uuid | None = None
    dry_run: bool = Field(default=False, description="Reserves and logs nothing; needs explain:read too.")


def _patch_of(body: type[Body], name: str) -> type[Body]:
    fields: dict[str, Any] = {}
    for key, info in body.model_fields.items():
        kind = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        fields[key] = (kind | None, None)  # type: ignore[operator]
    return create_model(
        name, __base__=Body, __doc__="A merge patch (RFC 7396): null means default.", **fields
    )


class EventList(RootModel[Annotated[list[EventBody], Field(max_length=1000)]]):
    """Up to 1,000 events."""


class MemberList(RootModel[Annotated[list[MemberBody], Field(max_length=1000)]]):
    """Up to 1,000 members, each with its id."""


class TripsList(RootModel[Annotated[list[TripsRowBody], Field(max_length=1000)]]):
    """Up to 1,000 members' trips."""


class ConnectionList(RootModel[Annotated[list[ConnectionRowBody], Field(max_length=1000)]]):
    """Up to 1,000 connections."""


class PlaceList(RootModel[Annotated[list[PlaceBody], Field(max_length=1000)]]):
    """Up to 1,000 places, each with its id."""


MemberPatch = _patch_of(MemberBody, "MemberPatch")
