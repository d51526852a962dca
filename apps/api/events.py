"""Events: durable before they are acknowledged, stored once however often they are sent, one result each.

Plain views, for events come at full speed. Schema: hot_schema.py.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.api.base import plain_view
from apps.api.keys import LiveKey
from apps.api.metrics import count_events
from apps.api.models import Scope
from apps.api.parameters import read_parameters
from apps.api.parsers import check_content_type, guarded_json
from apps.api.rows import read_rows
from apps.common.clock import now
from apps.interactions.bodies import EventBody
from apps.interactions.services import record_events

WRITE, BACKFILL = Scope.EVENTS_WRITE.value, Scope.EVENTS_BACKFILL.value


@plain_view(call="EventsView", scopes={"POST": WRITE})
def events(request: HttpRequest, key: LiveKey) -> dict[str, Any]:
    return _record(request, backfill=False)


@plain_view(call="events_backfill", scopes={"POST": BACKFILL})
def backfill(request: HttpRequest, key: LiveKey) -> dict[str, Any]:
    return _record(request, backfill=True)


def _record(request: HttpRequest, *, backfill: bool) -> dict[str, Any]:
    read_parameters(request, ())
    check_content_type(request)
    results = record_events(read_rows(EventBody, guarded_json(request)), now=now(), backfill=backfill)
    count_events([result.status for result in results])
    return {"results": results}
