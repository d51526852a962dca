"""For staff: what every stage did with a delivery, and why somebody is shown or not."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import FreeAnswer
from apps.api.base import ApiView
from apps.api.keys import LiveKey
from apps.api.models import Scope
from apps.api.parameters import optional_flag, parse_uuid, required_id
from apps.api.problems import HttpProblem, scope_missing
from apps.api.schema import FLAG, ID, SURFACE, described, in_query
from apps.api.services import explain_with_reason
from apps.delivery.services import delivery_trace, explain

READ, PRIVATE = Scope.EXPLAIN_READ.value, Scope.EXPLAIN_PRIVATE.value
LONGEST_REASON = 200


class TraceView(ApiView):
    scopes = {"GET": READ}

    @described(
        "delivery_trace",
        "The waterfall of a delivery: what every stage received, kept and changed.",
        tag="explain",
        scope=READ,
        ids=["delivery"],
        answers={200: FreeAnswer},
    )
    def get(self, request: Request, delivery: str) -> Response:
        return Response(delivery_trace(parse_uuid(delivery, "delivery")))


class ExplainView(ApiView):
    scopes = {"GET": READ}
    parameters = ("surface", "viewer", "candidate", "private", "reason")

    @described(
        "explain_get",
        "Why, or why not: the first stage that lost the candidate, and the smallest change to show them.",
        tag="explain",
        scope=READ,
        query=[
            SURFACE,
            in_query("viewer", ID, "Whoever the list is for.", required=True),
            in_query("candidate", ID, "Who or what may be shown.", required=True),
            in_query("private", FLAG, "Also one side's secrets; needs `explain:private` and `reason`."),
            in_query("reason", {"type": "string", "maxLength": LONGEST_REASON}, "Kept in the audit trail."),
        ],
        answers={200: FreeAnswer},
    )
    def get(self, request: Request) -> Response:
        surface, viewer, candidate = (
            required_id(self.given, name) for name in ("surface", "viewer", "candidate")
        )
        if not optional_flag(self.given, "private"):
            return Response(explain(surface=surface, viewer=viewer, candidate=candidate, private=False))
        return Response(
            explain_with_reason(
                surface=surface,
                viewer=viewer,
                candidate=candidate,
                reason=self._reason(),
                asked_by=self._key(request).name,
            )
        )

    def _key(self, request: Request) -> LiveKey:
        key = request.auth
        assert isinstance(key, LiveKey)
        if PRIVATE not in key.scopes:
            raise scope_missing(PRIVATE)
        return key

    def _reason(self) -> str:
        reason = self.given.get("reason", "").strip()
        if not reason:
            raise HttpProblem(400, "A private answer needs a reason.", code="missing", field="reason")
        if len(reason) > LONGEST_REASON:
            raise HttpProblem(400, f"At most {LONGEST_REASON} characters.", code="too_long", field="reason")
        return reason
