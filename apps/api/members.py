"""Members, their trips and the graph between them."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.answers import RowsAnswer
from apps.api.base import ApiView
from apps.api.bodies import ConnectionList, MemberList, MemberPatch, TripsList
from apps.api.models import Scope
from apps.api.parsers import MERGE_PATCH, GuardedJSONParser, MergePatchParser
from apps.api.rows import as_object, read_rows, read_rows_with_id, save_rows
from apps.api.schema import NOTHING, described
from apps.common.bodies import parse
from apps.interactions.services import erase_member
from apps.members import graph, selectors, services
from apps.members.bodies import ConnectionBody, ConnectionRowBody, MemberBody, TripsBody, TripsRowBody

READ, WRITE = Scope.MEMBERS_READ.value, Scope.MEMBERS_WRITE.value
EXAMPLE: dict[str, Any] = {
    "display_name": "Ada",
    "status": "active",
    "birth_date": "1990-04-02",
    "gender": "woman",
    "seeking": ["man", "woman"],
    "intents": ["long_term", "collaborate"],
    "home": {"latitude": 51.5, "longitude": -0.12, "market": "london"},
    "industries": ["film"],
    "crafts": ["directing"],
    "interests": {"climbing": 0.8},
}


class MemberView(ApiView):
    scopes = {"GET": READ, "PUT": WRITE, "PATCH": WRITE, "DELETE": WRITE}
    parser_classes = [GuardedJSONParser, MergePatchParser]

    @described(
        "member_get", "One member.", tag="members", scope=READ, ids=["member"], answers={200: MemberBody}
    )
    def get(self, request: Request, member: str) -> Response:
        return Response(selectors.member_body(selectors.member_by_id(member)))

    @described(
        "member_put",
        "Creates a member or replaces all of one.",
        tag="members",
        scope=WRITE,
        ids=["member"],
        takes=MemberBody,
        example=EXAMPLE,
        answers={200: MemberBody, 201: MemberBody},
    )
    def put(self, request: Request, member: str) -> Response:
        created = services.put_member(member, parse(MemberBody, request.data))
        return Response(selectors.member_body(selectors.member_by_id(member)), status=201 if created else 200)

    @described(
        "member_patch",
        "Changes the keys given (merge patch: null sets a key back to its default).",
        tag="members",
        scope=WRITE,
        ids=["member"],
        takes={"application/json": MemberPatch, MERGE_PATCH: MemberPatch},
        example={"visibility": "hidden"},
        answers={200: MemberBody},
    )
    def patch(self, request: Request, member: str) -> Response:
        return Response(selectors.member_body(services.patch_member(member, as_object(request.data))))

    @described(
        "member_erase",
        "Erases a member: shown nowhere from now on, rows removed.",
        tag="members",
        scope=WRITE,
        ids=["member"],
        answers={204: NOTHING},
    )
    def delete(self, request: Request, member: str) -> Response:
        erase_member(member)
        return Response(status=204)


class MembersBulk(ApiView):
    scopes = {"POST": WRITE}

    @described(
        "members_bulk",
        "Creates or replaces up to 1,000 members, each with its `id`.",
        tag="members",
        scope=WRITE,
        takes=MemberList,
        example=[{"id": "ada", **EXAMPLE}],
        answers={200: RowsAnswer},
    )
    def post(self, request: Request) -> Response:
        rows = read_rows_with_id(MemberBody, request.data)
        return Response(
            save_rows(rows, lambda bodies: services.save_members([(str(b.id), b) for b in bodies]))
        )


class TripsView(ApiView):
    scopes = {"PUT": WRITE}

    @described(
        "trips_put",
        "Replaces all trips of a member.",
        tag="members",
        scope=WRITE,
        ids=["member"],
        takes=TripsBody,
        example={"trips": [{"market": "paris", "starts_on": "2027-03-01", "ends_on": "2027-03-05"}]},
        answers={204: NOTHING},
    )
    def put(self, request: Request, member: str) -> Response:
        services.set_trips(member, parse(TripsBody, request.data).trips)
        return Response(status=204)


class TripsBulk(ApiView):
    scopes = {"POST": WRITE}

    @described(
        "trips_bulk",
        "Replaces the trips of up to 1,000 members.",
        tag="members",
        scope=WRITE,
        takes=TripsList,
        example=[
            {"id": "ada", "trips": [{"market": "paris", "starts_on": "2027-03-01", "ends_on": "2027-03-05"}]}
        ],
        answers={200: RowsAnswer},
    )
    def post(self, request: Request) -> Response:
        return Response(
            save_rows(
                read_rows(TripsRowBody, request.data),
                lambda bodies: services.save_trips([(b.id, b.trips) for b in bodies]),
            )
        )


class ConnectionView(ApiView):
    scopes = {"PUT": WRITE, "DELETE": WRITE}

    @described(
        "connection_put",
        "Connects two members, or changes how. A contact can only exclude.",
        tag="members",
        scope=WRITE,
        ids=["a", "b"],
        takes=ConnectionBody,
        example={"kind": "connection", "visible": True},
        answers={204: NOTHING},
    )
    def put(self, request: Request, a: str, b: str) -> Response:
        graph.put_connection(a, b, parse(ConnectionBody, request.data))
        return Response(status=204)

    @described(
        "connection_delete",
        "Removes the edge between two members.",
        tag="members",
        scope=WRITE,
        ids=["a", "b"],
        answers={204: NOTHING},
    )
    def delete(self, request: Request, a: str, b: str) -> Response:
        graph.delete_connection(a, b)
        return Response(status=204)


class ConnectionsBulk(ApiView):
    scopes = {"POST": WRITE}

    @described(
        "connections_bulk",
        "Connects up to 1,000 pairs.",
        tag="members",
        scope=WRITE,
        takes=ConnectionList,
        example=[{"a": "ada", "b": "grace", "kind": "referral"}],
        answers={200: RowsAnswer},
    )
    def post(self, request: Request) -> Response:
        return Response(
            save_rows(
                read_rows(ConnectionRowBody, request.data),
                lambda bodies: graph.save_connections([(b.a, b.b, b) for b in bodies]),
            )
        )
