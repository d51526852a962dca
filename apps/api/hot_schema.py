"""The hot path's calls as OpenAPI sees them: classes that never answer, beside the plain views that do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.api.answers import EventsAnswer, ListAnswer
from apps.api.base import ApiView
from apps.api.bodies import EventList, RankingBody
from apps.api.events import BACKFILL, WRITE
from apps.api.recommendations import PARAMETERS, READ
from apps.api.schema import FLAG, ID, SURFACE, UUID, described, in_query
from apps.common.bodies import KEY_PATTERN

assert PARAMETERS == ("surface", "member", "limit", "market", "request_id", "dry_run")
MARKET = {"type": "string", "pattern": KEY_PATTERN}
QUERY = [
    SURFACE,
    in_query("member", ID, "The viewer's id.", required=True),
    in_query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "How many."),
    in_query("market", MARKET, "Places of this market, as of the days of the viewer's coming trip to it."),
    in_query("request_id", UUID, "The same one within 10 minutes: the same list, nothing reserved again."),
    in_query("dry_run", FLAG, "Reserves and logs nothing; needs `explain:read` too."),
]


class RecommendationsSchema(ApiView):
    scopes = {"GET": READ}

    @described(
        "recommendations_get",
        "A ranked list for a member.",
        tag="recommendations",
        scope=READ,
        query=QUERY,
        answers={200: ListAnswer},
    )
    def get(self) -> None: ...


class RankingsSchema(ApiView):
    scopes = {"POST": READ}

    @described(
        "rankings_post",
        "Orders up to 500 given ids under the same filters, caps and logging.",
        tag="recommendations",
        scope=READ,
        takes=RankingBody,
        example={"surface": "dating", "member": "ada", "candidates": ["grace", "alan"]},
        answers={200: ListAnswer},
    )
    def post(self) -> None: ...


EVENT = {
    "id": "0d7a2a52-5a0c-4f0e-9d2b-2f8f3d9f3a11",
    "type": "like",
    "actor": "ada",
    "target": "grace",
    "surface": "dating",
    "occurred_at": "2027-01-05T18:30:00Z",
}


class EventsSchema(ApiView):
    takes_idempotency_key = False  # each event has an id of its own
    scopes = {"POST": WRITE}

    @described(
        "events_post",
        "Stores up to 1,000 events. Send again what was not answered: an id is stored once.",
        tag="events",
        scope=WRITE,
        takes=EventList,
        example=[EVENT],
        answers={200: EventsAnswer},
    )
    def post(self) -> None: ...


class BackfillSchema(ApiView):
    takes_idempotency_key = False
    scopes = {"POST": BACKFILL}

    @described(
        "events_backfill_post",
        "The same for events of any age, as far back as months are kept. For history, not for live traffic.",
        tag="events",
        scope=BACKFILL,
        takes=EventList,
        example=[{**EVENT, "occurred_at": "2026-05-05T18:30:00Z"}],
        answers={200: EventsAnswer},
    )
    def post(self) -> None: ...


def shown_as(view: Callable[..., Any], schema: type[ApiView]) -> Callable[..., Any]:
    """Lets the schema's generator find a plain view."""
    view.cls, view.initkwargs = schema, {}  # type: ignore[attr-defined]
    return view
