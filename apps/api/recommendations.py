"""The hot path: recommendations and rankings, as plain views with one encoder. Schema: hot_schema.py."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.api.base import plain_view
from apps.api.bodies import DEFAULT_SHOWN, MOST_SHOWN, RankingBody
from apps.api.keys import LiveKey
from apps.api.models import Scope
from apps.api.parameters import (
    optional_flag,
    optional_key,
    optional_uuid,
    optional_whole,
    read_parameters,
    required_id,
)
from apps.api.parsers import check_content_type, guarded_json
from apps.api.problems import scope_missing
from apps.api.shedding import CAME_AT
from apps.common.bodies import parse
from apps.delivery.services import rank, recommend

READ, EXPLAIN = Scope.RECOMMEND_READ.value, Scope.EXPLAIN_READ.value
PARAMETERS = ("surface", "member", "limit", "market", "request_id", "dry_run")


@plain_view(call="recommendations", scopes={"GET": READ})
def recommendations(request: HttpRequest, key: LiveKey) -> dict[str, Any]:
    given = read_parameters(request, PARAMETERS)
    return recommend(
        surface=required_id(given, "surface"),
        member=required_id(given, "member"),
        limit=optional_whole(given, "limit", default=DEFAULT_SHOWN, least=1, most=MOST_SHOWN),
        market=optional_key(given, "market"),
        request_id=optional_uuid(given, "request_id"),
        key_prefix=key.prefix,
        dry_run=_allowed_dry_run(optional_flag(given, "dry_run"), key),
        came_at=request.META.get(CAME_AT),
    )


@plain_view(call="rankings", scopes={"POST": READ})
def rankings(request: HttpRequest, key: LiveKey) -> dict[str, Any]:
    read_parameters(request, ())
    check_content_type(request)
    body = parse(RankingBody, guarded_json(request))
    return rank(
        surface=body.surface,
        member=body.member,
        candidates=body.candidates,
        limit=body.limit,
        request_id=body.request_id,
        key_prefix=key.prefix,
        dry_run=_allowed_dry_run(body.dry_run, key),
        came_at=request.META.get(CAME_AT),
    )


def _allowed_dry_run(dry_run: bool, key: LiveKey) -> bool:
    """Costs nothing and is not logged, so it could be used to search the pool: staff only."""
    if dry_run and EXPLAIN not in key.scopes:
        raise scope_missing(EXPLAIN)
    return dry_run
