"""How calls appear in OpenAPI: one short form for every view, the security scheme, and problem answers.

Takes the types of bodies.py and answers.py; changes nothing about how a call behaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from apps.api.answers import Problem
from apps.api.problems import TITLES

PROBLEM = "application/problem+json"
WITHOUT_BODY = (400, 401, 403, 404, 405, 406, 429, 500, 503)
WITH_BODY = (*WITHOUT_BODY, 409, 413, 415, 422)
ID = {"type": "string", "minLength": 1, "maxLength": 64}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="Sent again with the same key, the call is answered as the first time and not done again.",
)


class ServiceKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.api.authentication.ServiceKeyAuthentication"
    name = "ServiceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key prefix.secret`. Keys and their scopes are managed in the admin.",
        }


def described(
    operation: str,
    summary: str,
    *,
    tag: str,
    answers: Mapping[int, Any],
    scope: str | None = None,
    takes: Any = None,
    example: Any = None,
    ids: Sequence[str] = (),
    query: Sequence[OpenApiParameter] = (),
) -> Callable[[Any], Any]:
    """One call. `ids` are the ids in its address; `takes` is a body's type, or types by media type."""
    header = [IDEMPOTENCY_KEY] if scope and scope.endswith(":write") and tag != "events" else []
    needs = f" Needs the scope `{scope}`." if scope else ""
    in_path = [OpenApiParameter(name, ID, OpenApiParameter.PATH) for name in ids]
    problems = (WITH_BODY if takes is not None or header else WITHOUT_BODY) if scope else (405, 406, 500, 503)
    refusals = {
        (status, PROBLEM): OpenApiResponse(Problem, description=TITLES[status])
        for status in problems
        if status not in answers
    }
    examples = [OpenApiExample("example", value=example, request_only=True)] if example is not None else []
    decorator: Callable[[Any], Any] = extend_schema(
        operation_id=operation,
        summary=summary,
        description=f"{summary}{needs}",
        tags=[tag],
        request=takes,
        responses={**answers, **refusals},
        parameters=[*in_path, *query, *header],
        examples=examples,
        auth=None if scope else [],
    )
    return decorator


def in_query(name: str, kind: Any, detail: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, required=required, description=detail)


SURFACE = in_query(
    "surface", {"type": "string", "minLength": 1, "maxLength": 64}, "For example `dating`.", required=True
)
NOTHING = OpenApiResponse(description="Done; nothing to say.")
UUID = OpenApiTypes.UUID
FLAG = {"type": "string", "enum": ["true", "false"], "default": "false"}
