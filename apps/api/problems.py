"""Errors as problem documents (RFC 9457), for REST framework's views, plain views and Django's own handlers.

Takes any exception, gives a response with `type, title, status, code, field, detail`. What nobody
foresaw becomes a 500 without internals, and is logged.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
import redis
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions

from apps.common.errors import Conflict, NotFound, Problem, Unavailable

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
TITLES = {
    400: "The request is not valid.",
    401: "A valid service key is needed.",
    403: "This is not allowed.",
    404: "There is no such thing.",
    405: "This address does not take this method.",
    406: "The answer is JSON.",
    409: "Somebody changed this meanwhile.",
    413: "The body is too large.",
    415: "The body must be JSON.",
    422: "The request is well-formed but can't be carried out.",
    429: "Too many requests.",
    500: "Something went wrong on our side.",
    503: "A part this answer needs is away. Try again.",
}
CODES = {
    400: "invalid",
    401: "key_invalid",
    403: "denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "internal",
}


class HttpProblem(Problem):
    """A problem of the protocol itself, by status."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        code: str | None = None,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.title = status, TITLES[status]
        super().__init__(detail, code=code or CODES[status], field=field)
        self.headers = headers or {}


def key_missing() -> HttpProblem:
    return HttpProblem(
        401,
        "Send the header `Authorization: Api-Key prefix.secret`.",
        code="key_missing",
        headers={"WWW-Authenticate": "Api-Key"},
    )


def key_invalid() -> HttpProblem:
    return HttpProblem(401, "This service key is not valid.", headers={"WWW-Authenticate": "Api-Key"})


def scope_missing(scope: str) -> HttpProblem:
    return HttpProblem(403, f"This key lacks the scope {scope}.", code="scope_missing")


def too_many_requests(wait: int) -> HttpProblem:
    return HttpProblem(
        429, f"This key sent too many requests; wait {wait} s.", headers={"Retry-After": str(wait)}
    )


def problem_of(error: Exception) -> Problem:
    """The problem that tells a caller about this exception."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, exceptions.APIException):
        return _of_rest_framework(error)
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return HttpProblem(403)
    if isinstance(error, SuspiciousOperation):
        return HttpProblem(400)
    return _of_the_stores(error)


def document(problem: Problem) -> dict[str, Any]:
    return {
        "type": f"urn:raya-recs:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "field": problem.field,
        "detail": problem.detail,
    }


def problem_response(error: Exception) -> HttpResponse:
    problem = problem_of(error)
    response = HttpResponse(orjson.dumps(document(problem)), content_type=CONTENT_TYPE, status=problem.status)
    response["Cache-Control"] = "no-store"
    for name, value in getattr(problem, "headers", {}).items():
        response[name] = value
    if problem.status == 503:
        response["Retry-After"] = "1"
    return response


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """REST framework's handler: no exception passes it."""
    return problem_response(error)


def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """For addresses under /api/ that are none."""
    return problem_response(NotFound("There is nothing at this address."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: what is refused before any view, such as a host that is not ours."""
    return problem_response(HttpProblem(400))


def _of_rest_framework(error: exceptions.APIException) -> Problem:
    if isinstance(error, exceptions.NotAuthenticated):
        return key_missing()
    if isinstance(error, exceptions.Throttled):
        return too_many_requests(int(getattr(error, "wait", None) or 1))
    status = error.status_code if error.status_code in TITLES else 400
    headers = {}
    if isinstance(error, exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = "Api-Key"
    return HttpProblem(status, str(error.detail), headers=headers)


def _of_the_stores(error: Exception) -> Problem:
    if isinstance(error, OperationalError | InterfaceError | redis.RedisError):
        log.warning("a store is away: %s", type(error).__name__)
        return Unavailable()
    log.error("unforeseen", exc_info=error)
    if isinstance(error, IntegrityError):
        return Conflict("This contradicts what is stored.")
    if isinstance(error, DataError):
        return HttpProblem(400, "A value does not fit its field.")
    return HttpProblem(500)
