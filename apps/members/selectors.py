"""Members as look-ups: numbers by id, who may be shown, and the REST representation of one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import orjson
from django.db.models import BooleanField, ExpressionWrapper, Q

from apps.common import clock
from apps.common.errors import NotFound
from apps.common.geo import centre_of
from apps.common.prepared import rows_of
from apps.members.models import Connection, Member, Status, Visibility

ADULT_AGE = 18


def numbers_of(external_ids: Iterable[str]) -> dict[str, int]:
    """Numbers by the app's own ids; ids of nobody are left out."""
    sql = (
        "SELECT external_id, number FROM members_member "
        "WHERE external_id = ANY(ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))"
    )
    return dict(rows_of(sql, [orjson.dumps(list(external_ids)).decode()]))


def member_by_id(external_id: str) -> Member:
    """Raises NotFound `unknown_member`."""
    members = Member.objects.select_related("home_market", "current_market")
    member = members.filter(external_id=external_id).first()
    if member is None:
        raise unknown_member()
    return member


def unknown_member(field: str | None = None) -> NotFound:
    return NotFound("There is no such member.", code="unknown_member", field=field)


def latest_adult_birth_date(today: date) -> date:
    """Born on this day or before: 18 or older today."""
    try:
        return today.replace(year=today.year - ADULT_AGE)
    except ValueError:  # 29 February
        return date(today.year - ADULT_AGE, 2, 28)


def shown_condition(today: date | None = None) -> Q:
    """Who may be shown: active, visible, not stopped, and known to be an adult."""
    return Q(
        status=Status.ACTIVE,
        visibility=Visibility.VISIBLE,
        stopped_at__isnull=True,
        birth_date__lte=latest_adult_birth_date(today or clock.today()),
    )


def shown_states(numbers: Iterable[int]) -> dict[int, tuple[int, bool]]:
    """By number: the version of who may be shown, and whether they may."""
    may = ExpressionWrapper(shown_condition(), output_field=BooleanField())
    rows = Member.objects.filter(number__in=list(numbers)).annotate(may=may)
    return {n: (version, bool(may)) for n, version, may in rows.values_list("number", "version", "may")}


def member_body(member: Member) -> dict[str, Any]:
    """The REST representation: what MemberBody parses, with the middle of the home's cell."""
    return {
        "id": member.external_id,
        "display_name": member.display_name,
        "photo_url": member.photo_url,
        "status": member.status,
        "visibility": member.visibility,
        "birth_date": _said(member.birth_date),
        "gender": member.gender or None,
        "seeking": member.seeking,
        "intents": member.intents,
        "age_min": member.age_min,
        "age_max": member.age_max,
        "max_distance_km": member.max_distance_km,
        "home": _home(member),
        "current_market": member.current_market.key if member.current_market else None,
        "industries": member.industries,
        "crafts": member.crafts,
        "skills": member.skills,
        "interests": member.interests,
        "bio": member.bio,
        "joined_at": _said(member.joined_at),
        "last_active_at": _said(member.last_active_at),
    }


def contacts_of(number: int) -> set[int]:
    """The numbers that an address book excludes for this member, and whose address books exclude them."""
    edges = Connection.objects.filter(Q(a=number) | Q(b=number), kind=Connection.Kind.CONTACT)
    return {a if b == number else b for a, b in edges.values_list("a_id", "b_id")}


def age_of(member: Member) -> int | None:
    """In whole years, today."""
    born, day = member.birth_date, clock.today()
    if born is None:
        return None
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _home(member: Member) -> dict[str, Any] | None:
    if member.home_cell is None or member.home_market is None:
        return None
    latitude, longitude = (round(x, 5) for x in centre_of(member.home_cell))
    return {"latitude": latitude, "longitude": longitude, "market": member.home_market.key}


def _said(value: date | datetime | None) -> str | None:
    return None if value is None else value.isoformat()
