"""REST framework's parsers over the guard: JSON, and merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from apps.api.json_guard import Readable, parse_json, read_body
from apps.api.problems import HttpProblem

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class GuardedJSONParser(BaseParser):
    media_type = JSON

    def parse(
        self,
        stream: Readable,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        assert parser_context is not None
        return guarded_json(parser_context["request"]._request)


class MergePatchParser(GuardedJSONParser):
    media_type = MERGE_PATCH


def guarded_json(request: HttpRequest) -> Any:
    """The body of any request as plain values; also for views that REST framework doesn't serve."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise HttpProblem(415, "Send the body without a content encoding.")
    if (request.content_params or {}).get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise HttpProblem(415, "Send the body in UTF-8.")
    return parse_json(read_body(request, _declared(request)))


def check_content_type(request: HttpRequest) -> None:
    if request.content_type != JSON:
        raise HttpProblem(415, f"Send the body as {JSON}.")


def _declared(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
