"""The rollout flags of one member: typed values, for the app to switch its own parts by."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import FlagsAnswer
from apps.api.base import ApiView
from apps.api.models import Scope
from apps.api.parameters import required_id
from apps.api.schema import ID, described, in_query
from apps.delivery.flags import flags_of

READ = Scope.FLAGS_READ.value


class FlagsView(ApiView):
    scopes = {"GET": READ}
    parameters = ("member",)

    @described(
        "flags_get",
        "The value of every rollout flag for a member, under the release that serves them.",
        tag="flags",
        scope=READ,
        query=[in_query("member", ID, "Whose values.", required=True)],
        answers={200: FlagsAnswer},
    )
    def get(self, request: Request) -> Response:
        return Response(flags_of(required_id(self.given, "member")))
