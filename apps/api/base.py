"""What every call shares, in two forms: a REST framework view, and a plain one for the hot path.

Both refuse in the same order (answer's form, key, scope, rate, method, body) and count what they answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

import orjson
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.authentication import key_of
from apps.api.idempotency import idempotent
from apps.api.keys import LiveKey
from apps.api.metrics import count_request
from apps.api.parameters import check_id, read_parameters
from apps.api.problems import (
    HttpProblem,
    key_missing,
    problem_response,
    scope_missing,
    too_many_requests,
)
from apps.api.throttling import KeyThrottle, seconds_to_wait
from apps.common.audit import act_as
from apps.common.logs import speak_of_call
from apps.common.spans import call_span

Handler = Callable[[HttpRequest, LiveKey], dict[str, Any]]
PlainView = Callable[[HttpRequest], HttpResponse]


class ApiView(APIView):
    """A call whose scopes stand beside its methods. Ids in the address and parameters are checked here."""

    scopes: dict[str, str] = {}
    throttle_classes = [KeyThrottle]
    metadata_class = None
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    parameters: tuple[str, ...] = ()
    takes_idempotency_key = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with call_span(type(self).__name__, request.META):
            return super().dispatch(request, *args, **kwargs)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        return idempotent(view) if cls.takes_idempotency_key else view

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()
        speak_of_call(type(self).__name__, request.META)
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS and self.takes_idempotency_key:  # events' tables have no trail
            self._named = True
            act_as(f"key {cast(LiveKey, request.user).name}")
        if request.method in self.allowed_methods:
            self.given = read_parameters(request._request, self.parameters)
            for name, text in kwargs.items():
                check_id(text, name)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if getattr(self, "_named", False) and not connection.needs_rollback:
            act_as("")
        final["Cache-Control"] = "no-store"
        count_request(type(self).__name__, final.status_code, getattr(self, "_started", time.perf_counter()))
        return final


def plain_view(*, call: str, scopes: Mapping[str, str]) -> Callable[[Handler], PlainView]:
    """Makes a view of a function that takes request and key and gives the answer. `scopes` is by method."""

    def decorate(handler: Handler) -> PlainView:
        @csrf_exempt
        @wraps(handler)
        def view(request: HttpRequest) -> HttpResponse:
            started = time.perf_counter()
            speak_of_call(call, request.META)
            with call_span(call, request.META):
                try:
                    response = json_response(handler(request, _admit(request, scopes)))
                except Exception as error:
                    response = problem_response(error)
            count_request(call, response.status_code, started)
            return response

        return view

    return decorate


def json_response(answer: Any, status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(answer), content_type="application/json", status=status)
    response["Cache-Control"] = "no-store"
    return response


def _admit(request: HttpRequest, scopes: Mapping[str, str]) -> LiveKey:
    accept = request.META.get("HTTP_ACCEPT", "*/*")
    if accept != "*/*" and not request.accepts("application/json"):
        raise HttpProblem(406)
    key = key_of(request)
    if key is None:
        raise key_missing()
    needed = scopes.get(str(request.method))
    if needed is not None and needed not in key.scopes:
        raise scope_missing(needed)
    wait = seconds_to_wait(key.prefix)
    if wait:
        raise too_many_requests(wait)
    if needed is None:
        raise HttpProblem(405, headers={"Allow": ", ".join(scopes)})
    return key
