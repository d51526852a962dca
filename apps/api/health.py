"""Whether this process lives, whether it can answer, and its counters. Open to all: says nothing private."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import LiveAnswer, ReadyAnswer
from apps.api.base import ApiView
from apps.api.metrics import exposition
from apps.api.schema import described
from apps.delivery.runtime import ready


class Open(ApiView):
    authentication_classes = []
    permission_classes = []
    throttle_classes = []


class LiveView(Open):
    @described("health_live", "The process answers.", tag="health", answers={200: LiveAnswer})
    def get(self, request: Request) -> Response:
        return Response({"status": "live"})


class ReadyView(Open):
    @described(
        "health_ready",
        "Ready once a snapshot and a release are loaded; the state of the stores is in the body.",
        tag="health",
        answers={200: ReadyAnswer, 503: ReadyAnswer},
    )
    def get(self, request: Request) -> Response:
        state = ready()
        return Response(state, status=200 if state["ready"] else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    text, content_type = exposition()
    return HttpResponse(text, content_type=content_type, headers={"Cache-Control": "no-store"})
