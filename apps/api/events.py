"""Events: durable before they are acknowledged, stored once however often they are sent, one result each."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import EventsAnswer
from apps.api.base import ApiView
from apps.api.bodies import EventList
from apps.api.metrics import count_events
from apps.api.models import Scope
from apps.api.rows import read_rows
from apps.api.schema import described
from apps.common.clock import now
from apps.interactions.bodies import EventBody
from apps.interactions.services import record_events

WRITE = Scope.EVENTS_WRITE.value
EXAMPLE = [
    {
        "id": "0d7a2a52-5a0c-4f0e-9d2b-2f8f3d9f3a11",
        "type": "like",
        "actor": "ada",
        "target": "grace",
        "surface": "dating",
        "occurred_at": "2027-01-05T18:30:00Z",
    }
]


class EventsView(ApiView):
    takes_idempotency_key = False  # each event has an id of its own
    scopes = {"POST": WRITE}

    @described(
        "events_post",
        "Stores up to 1,000 events. Send again what was not answered: an id is stored once.",
        tag="events",
        scope=WRITE,
        takes=EventList,
        example=EXAMPLE,
        answers={200: EventsAnswer},
    )
    def post(self, request: Request) -> Response:
        results = record_events(read_rows(EventBody, request.data), now=now())
        count_events([result.status for result in results])
        return Response({"results": results})
