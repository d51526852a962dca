"""`Idempotency-Key`: a write that is sent again gets its first answer, byte for byte, and is not done again.

Wraps a view. A row per service key and idempotency key says what was asked and, once it is known, what was
answered. Answers that mean "try again" (409, 429, 5xx) or "who are you" (401, 403) are not kept. With a
member or place go the answers about them (migrations/0006_forget_answers.py); their keys stay used. Events
and rankings are left out: they carry ids of their own. All times are Postgres's.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import uuid4

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from apps.api.authentication import key_of
from apps.api.models import KeptAnswer
from apps.api.problems import HttpProblem, problem_response
from apps.common.errors import Problem, Unprocessable

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
KEPT = timedelta(hours=72)
IN_FLIGHT = timedelta(seconds=60)  # longer than any call: whoever wrote the row has died
METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
NOT_KEPT = frozenset({401, 403, 409, 429})
ERASED = 404  # with no body: the answer went with whom it was about
PLAIN = re.compile(r"[\x21-\x7e]{1,255}")

View = Any  # what as_view() gives: a callable with `cls`


def idempotent(view: View) -> View:
    """The view, which gives a repeated key its first answer."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER)
        writes = request.method in METHODS and hasattr(view.cls, str(request.method).lower())
        if key is None or not writes:
            return view(request, *args, **kwargs)
        try:
            call = _call(request, key)
            before = _begin(call) if call else None
        except (Problem, DatabaseError, UnreadablePostError) as problem:
            return problem_response(problem)
        if before is not None:
            return before
        return _answer(call, view, request, *args, **kwargs) if call else view(request, *args, **kwargs)

    return wrapped


def drop_old_answers() -> int:
    """How many were older than 72 hours: their keys may be used anew."""
    return KeptAnswer.objects.filter(started_at__lt=Now() - KEPT).delete()[0]


def _call(request: HttpRequest, key: str) -> KeptAnswer | None:
    """What is asked, not yet stored; None where the view refuses anyway: no service key, too long a body."""
    if not PLAIN.fullmatch(key):
        raise HttpProblem(
            400, "1 to 255 visible ASCII characters.", code="idempotency_key_invalid", field=HEADER
        )
    caller = key_of(request)
    if caller is None:
        return None
    with suppress(RequestDataTooBig):
        said = f"{request.method} {request.get_full_path()} {request.content_type}\n".encode() + request.body
        digest = hashlib.blake2b(said, digest_size=16).digest()
        return KeptAnswer(
            key_prefix=caller.prefix,
            key=key,
            path="" if request.method == "DELETE" else request.path,  # what it answers names nobody
            digest=digest,
            attempt=uuid4(),
            started_at=Now(),
        )
    return None


def _begin(call: KeptAnswer) -> HttpResponse | None:
    """The kept answer, or None when the work is this caller's to do. Raises Problem."""
    KeptAnswer.objects.bulk_create([call], ignore_conflicts=True)
    found, age = _found(call)
    if found.attempt == call.attempt:
        return None
    if age > KEPT and _take_over(call, found):
        return None
    if bytes(found.digest) != call.digest:
        raise Unprocessable(
            f"This {HEADER} was used for another call.", code="idempotency_key_reused", field=HEADER
        )
    if found.status is not None:
        return _replayed(found)
    if age > IN_FLIGHT and _take_over(call, found):
        return None
    detail = f"The first call with this {HEADER} has not ended yet."
    raise HttpProblem(409, detail, code="in_flight", field=HEADER, headers={"Retry-After": "1"})


def _found(call: KeptAnswer) -> tuple[KeptAnswer, timedelta]:
    """The row under this key, and how long ago its call began."""
    began = ExpressionWrapper(Now() - F("started_at"), output_field=DurationField())
    found = _rows(call).annotate(age=began).get()
    return found, found.age


def _take_over(call: KeptAnswer, found: KeptAnswer) -> bool:
    """Of several who find an abandoned row, one gets it."""
    fields = ("path", "digest", "attempt", "started_at", "status", "content_type", "body")
    values = {name: getattr(call, name) for name in fields}
    return bool(_rows(call).filter(attempt=found.attempt).update(**values))


def _answer(call: KeptAnswer, view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
    try:
        response = view(request, *args, **kwargs)
        if hasattr(response, "render"):
            response.render()
    except BaseException:
        with suppress(DatabaseError):
            _rows(call).filter(attempt=call.attempt).delete()
        raise
    with suppress(DatabaseError):  # the row ends by itself: the work is done, and safe to repeat
        _keep(call, response)
    return response


def _keep(call: KeptAnswer, response: HttpResponse) -> None:
    """The answer beside its key, while that is still this call's."""
    row = _rows(call).filter(attempt=call.attempt)
    if response.status_code >= 500 or response.status_code in NOT_KEPT:
        row.delete()
        return
    row.update(
        status=response.status_code,
        content_type=response.get("Content-Type", ""),
        body=response.content,
    )


def _replayed(found: KeptAnswer) -> HttpResponse:
    assert found.status is not None
    if found.status == ERASED and not found.body:
        detail = "What this call was about has been erased."
        return problem_response(HttpProblem(404, detail, code="erased", headers={REPLAYED: "true"}))
    response = HttpResponse(bytes(found.body), status=found.status)
    del response["Content-Type"]
    if found.content_type:
        response["Content-Type"] = found.content_type
    response["Cache-Control"] = "no-store"
    response[REPLAYED] = "true"
    return response


def _rows(call: KeptAnswer) -> QuerySet[KeptAnswer]:
    return KeptAnswer.objects.filter(key_prefix=call.key_prefix, key=call.key)
