"""The bodies of places and curated lists: the one definition that API, files and simulation parse with.

Takes plain data, gives checked values; knows nothing of the database, so an unknown market or place is found
later, by the services.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from apps.common.bodies import Body, Day, Id, Key, Location, Text, Url, Word, Words, refuse

MOST_PLACES = 500  # of one curated list

Months = Annotated[
    list[Annotated[int, Field(ge=1, le=12)]],
    Field(max_length=12),
    AfterValidator(lambda months: sorted(set(months))),
]


class PlaceBody(Body):
    """A whole place. What is left out takes its default; category and tags are kept in lower case."""

    id: Id | None = Field(
        default=None, description="Needed in bulk and files; elsewhere the address says it."
    )
    name: Annotated[Text, Field(min_length=1, max_length=150)]
    photo_url: Url = ""
    location: Location
    category: Word
    tags: Words = []
    price_band: Annotated[int, Field(ge=1, le=4)] | None = None
    is_open: bool = Field(default=True, description="Open for business.")
    opens_on: Day | None = Field(default=None, description="From this day on a closed place is open.")
    open_months: Months = Field(default=[], description="Months in which it is open. None: all year.")
    best_months: Months = Field(default=[], description="Months in which it is at its best.")
    visibility: Literal["visible", "hidden"] = "visible"

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.open_months and not set(self.best_months) <= set(self.open_months):
            raise refuse("closed_then", "A place is not at its best in a month when closed.", "best_months")
        return self


class ListBody(Body):
    """A curated list: its places in their order, its days (both included), its owner."""

    id: Id | None = None
    title: Annotated[Text, Field(min_length=1, max_length=100)]
    owner: Annotated[Text, Field(min_length=1, max_length=150)]
    market: Key | None = None
    starts_on: Day
    ends_on: Day
    places: Annotated[list[Id], Field(max_length=MOST_PLACES)]

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.ends_on < self.starts_on:
            raise refuse("out_of_range", "ends_on may not be before starts_on.", "ends_on")
        if len(set(self.places)) < len(self.places):
            raise refuse("repeated", "A place may stand in a list once.", "places")
        return self
