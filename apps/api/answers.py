"""The answers of the API as types, for the schema and for the tests that hold real answers against them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(Answer):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable; docs/api.md lists them.")
    field: str | None = Field(description="Where, as `home.latitude`, or `3.id` in a list.")
    detail: str


class RowAnswer(Answer):
    id: str
    status: Literal["created", "updated", "rejected"]
    code: str | None
    field: str | None
    detail: str | None


class RowsAnswer(Answer):
    """One result per row, in the order sent."""

    results: list[RowAnswer]


class EventAnswer(Answer):
    id: str
    status: Literal["accepted", "duplicate", "rejected"]
    code: str | None
    field: str | None
    detail: str | None


class EventsAnswer(Answer):
    """One result per event, in the order sent."""

    results: list[EventAnswer]


class ShownItem(Answer):
    id: str
    rank: int
    score: float
    reasons: list[str] = Field(description="Plain words that may be shown to the viewer.")


class Shortfall(Answer):
    """Why a list is shorter than asked."""

    missing: int
    reasons: list[Literal["pool_exhausted", "capped", "degraded", "viewer_not_eligible"]]


class ListAnswer(Answer):
    delivery: UUID | None = Field(
        description="Send it with the events that follow from this list. Null for a dry run."
    )
    surface: str
    release: int
    snapshot: str
    variants: dict[str, Any]
    degraded: list[str] = Field(description="Empty when healthy.")
    shortfall: Shortfall
    expires_at: datetime = Field(description="Until then the shown are held back from further lists.")
    items: list[ShownItem]


class FlagsAnswer(Answer):
    member: str
    release: int
    flags: dict[str, bool | float | str] = Field(description="By key; a killed flag has its value when off.")


class FreeAnswer(BaseModel):
    """For staff's eyes; keys may be added."""

    model_config = ConfigDict(extra="allow")


class LiveAnswer(Answer):
    status: Literal["live"]


class ReadyAnswer(FreeAnswer):
    ready: bool
