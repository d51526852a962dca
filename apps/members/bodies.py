"""The bodies of members, trips and connections: the one definition that API, files and simulation parse with.

Takes plain data, gives checked values in the app's own words; knows nothing of the database, so an unknown
market or member is found later, by the services.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from apps.common.bodies import Body, Day, Id, Key, Location, Moment, Text, Url, Word, Words, refuse
from apps.members.models import Connection, Gender, Status, Visibility
from apps.pipeline.vocabulary import INTENTS


def _known_intent(intent: str) -> str:
    if intent not in INTENTS:
        raise refuse("unknown_value", f"An intent is one of {', '.join(INTENTS)}.")
    return intent


Intent = Annotated[str, AfterValidator(_known_intent), Field(json_schema_extra={"enum": list(INTENTS)})]
Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Lax = Field(strict=False)  # an enumeration is written as its value


class MemberBody(Body):
    """A whole member. What is left out takes its default; words are kept in lower case."""

    id: Id | None = Field(
        default=None, description="Needed in bulk and files; elsewhere the address says it."
    )
    display_name: Annotated[Text, Field(min_length=1, max_length=100)]
    photo_url: Url = ""
    status: Annotated[Status, Lax] = Status.APPLICANT
    visibility: Annotated[Visibility, Lax] = Visibility.VISIBLE
    birth_date: Day | None = None
    gender: Annotated[Gender, Lax] | None = None
    seeking: Annotated[list[Annotated[Gender, Lax]], Field(max_length=10)] = []
    intents: Annotated[list[Intent], Field(max_length=20, description="None named: open to all.")] = []
    age_min: int = Field(default=18, ge=18, le=120)
    age_max: int = Field(default=120, ge=18, le=120)
    max_distance_km: Annotated[int, Field(ge=1, le=20000)] | None = Field(
        default=None, description="None: no limit."
    )
    home: Location | None = None
    current_market: Key | None = None
    industries: Words = []
    crafts: Words = []
    skills: Words = []
    interests: Annotated[dict[Word, Weight], Field(max_length=200)] = {}
    bio: Annotated[Text, Field(max_length=2000)] = ""
    joined_at: Moment | None = Field(default=None, description="None: kept, or the time of the first save.")
    last_active_at: Moment | None = None

    @model_validator(mode="after")
    def check_ages(self) -> Self:
        if self.age_min > self.age_max:
            raise refuse("out_of_range", "age_min may not be above age_max.", "age_min")
        self.seeking = list(dict.fromkeys(self.seeking))
        self.intents = list(dict.fromkeys(self.intents))
        return self


class TripBody(Body):
    market: Key
    starts_on: Day
    ends_on: Day

    @model_validator(mode="after")
    def check_days(self) -> Self:
        if self.ends_on < self.starts_on:
            raise refuse("out_of_range", "ends_on may not be before starts_on.", "ends_on")
        return self


class TripsBody(Body):
    """All trips of a member; replaces the ones before."""

    trips: Annotated[list[TripBody], Field(max_length=100)]


class TripsRowBody(TripsBody):
    """One member's trips in a bulk call."""

    id: Id


class ConnectionBody(Body):
    """An edge of the graph. A contact (address book) can only exclude; a hidden edge explains nothing."""

    kind: Annotated[Connection.Kind, Lax] = Connection.Kind.CONNECTION
    visible: bool = True


class ConnectionRowBody(ConnectionBody):
    """One edge in a bulk call."""

    a: Id
    b: Id
