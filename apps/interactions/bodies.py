"""The body of an event: the one definition that API, files and simulation parse with.

Takes plain data, gives a checked event whose type fits what it is about. Whether actor, target, surface and
delivery exist is for the services to find out.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from apps.common.bodies import Body, Id, Key, Moment, Text, refuse
from apps.interactions.models import EventType, TargetKind
from apps.pipeline.signals import LESS

Uuid = Annotated[UUID, Field(strict=False)]

PLACES_ONLY = frozenset({EventType.SAVE, EventType.VISIT})
BOTH_KINDS = frozenset({EventType.IMPRESSION, EventType.PROFILE_VIEW, EventType.FEEDBACK})
NEEDS_SURFACE = frozenset(
    {EventType.IMPRESSION, EventType.LIKE, EventType.PASS, EventType.MATCH, EventType.UNMATCH, EventType.SAVE}
)


def kinds_of(event_type: EventType) -> tuple[TargetKind, ...]:
    """What an event of this type can be about; the first is meant when the event doesn't say."""
    if event_type == EventType.UNDO:
        return (TargetKind.EVENT,)
    if event_type in PLACES_ONLY:
        return (TargetKind.PLACE,)
    return (TargetKind.MEMBER, TargetKind.PLACE) if event_type in BOTH_KINDS else (TargetKind.MEMBER,)


_KINDS = {event_type: kinds_of(event_type) for event_type in EventType}


class EventContext(Body):
    """The keys that an event may carry besides. No free text: a message's words stay in the app."""

    platform: Literal["ios", "android", "web"] | None = None
    app_version: Annotated[Text, Field(max_length=32)] | None = None
    screen: Annotated[Text, Field(max_length=64)] | None = None
    reason: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None,
        description="A code, of a report; of a feedback that asks for less like this: not_my_type, too_far, "
        "other_industry or seen_too_often.",
    )
    rating: Annotated[int, Field(ge=1, le=5)] | None = Field(default=None, description="Of a feedback.")
    dwell_ms: Annotated[int, Field(ge=0, le=86_400_000)] | None = None
    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Visits in one event."
    )


class EventBody(Body):
    """Something that happened. Block, unblock and report are global whatever surface they name."""

    id: Uuid
    type: Annotated[EventType, Field(strict=False)]
    actor: Id
    target: Id = Field(description="A member's or place's id; of an undo, the id of the event it takes back.")
    target_kind: Annotated[TargetKind, Field(strict=False)] | None = Field(
        default=None, description="None: place for save and visit, event for undo, else member."
    )
    surface: Key | None = None
    delivery: Uuid | None = None
    position: Annotated[int, Field(ge=0, le=1000)] | None = None
    occurred_at: Moment
    context: EventContext = Field(default_factory=EventContext)

    @model_validator(mode="after")
    def check(self) -> Self:
        kinds = _KINDS[self.type]
        if self.target_kind is None:
            self.__dict__["target_kind"] = kinds[0]  # it is not among the keys that were sent
        elif self.target_kind not in kinds:
            raise refuse(
                "kind_mismatch", f"{self.type.value} is about a {' or '.join(kinds)}.", "target_kind"
            )
        if self.surface is None and self.type in NEEDS_SURFACE:
            raise refuse("missing", f"{self.type.value} needs a surface.", "surface")
        if self.type == EventType.FEEDBACK and self.context.reason not in (None, *LESS):
            raise refuse(
                "unknown_reason", f"A feedback's reason is one of {', '.join(LESS)}.", "context.reason"
            )
        if self.target_kind == TargetKind.EVENT:
            self._check_undone_event()
        elif self.target_kind == TargetKind.MEMBER and self.target == self.actor:
            raise refuse("self_target", "A member can't do this to themselves.", "target")
        return self

    def _check_undone_event(self) -> None:
        try:
            UUID(self.target)
        except ValueError:
            raise refuse("invalid_uuid", "An undo's target is the id of an event.", "target") from None
