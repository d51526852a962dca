"""The hot path's way through Django: a few addresses go straight to their views.

A WSGI wrapper for the API's processes. What Django does about any call (signals, the walk over all addresses,
transactions, closing what an answer holds) is a twentieth of a list's cost, and these views need none of it:
they set no cookie, and of Postgres they ask next to nothing on this thread (service keys). Middleware, and
what becomes of an error, stay Django's; every other address takes Django's whole way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from apps.api.shedding import Application

ADDRESSES = ("/api/v1/recommendations", "/api/v1/rankings")


class DirectHandler(BaseHandler):
    """Django's handler of requests, with one view for whatever it is asked."""

    def __init__(self, view: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__()
        self._view = view
        self.load_middleware()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        close_old_connections()  # an earlier call's on this thread, if it broke
        response = cast(HttpResponse, self.get_response(WSGIRequest(environ)))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        """Inside the middleware."""
        return self._view(request)


def direct(application: Application) -> Application:
    """The application, with these addresses in front of it."""
    handlers = {address: DirectHandler(resolve(address).func) for address in ADDRESSES}

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return handlers.get(environ["PATH_INFO"], application)(environ, start_response)

    return answer
