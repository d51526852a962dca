"""Errors that callers are meant to see. Each carries a code, an HTTP status and, where it helps, the field.

Rendered as RFC 9457 problem documents by apps.api.problems and as one line by commands.
"""

from __future__ import annotations


class Problem(Exception):
    """An error with a stable code. `detail` is one plain sentence for whoever made the call."""

    status = 400
    code = "invalid"
    title = "The request is not valid."

    def __init__(self, detail: str = "", *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.code = code or self.code
        self.field = field


class NotFound(Problem):
    status = 404
    code = "not_found"
    title = "There is no such thing."


class Conflict(Problem):
    status = 409
    code = "conflict"
    title = "Somebody changed this meanwhile."


class Unprocessable(Problem):
    status = 422
    code = "unprocessable"
    title = "The request is well-formed but can't be carried out."


class Unavailable(Problem):
    status = 503
    code = "unavailable"
    title = "A part this answer needs is away. Try again."


class Denied(Problem):
    status = 403
    code = "denied"
    title = "This is not allowed."
