"""What is stored about a member, for the member: their profile, trips, connections, what they did, and what
they decided about others. What others did to them is others' own and stays out."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from apps.interactions.models import Delivery, Event, Relationship
from apps.members.models import Connection, EarlierProfile, Member, Trip
from apps.members.selectors import member_body, member_by_id
from apps.surfaces.models import Market


def member_export(external_id: str) -> dict[str, Any]:
    """Plain values, ready for JSON. Other members stand as the app's own ids. Raises NotFound."""
    member = member_by_id(external_id)
    events = list(Event.objects.filter(actor=member.number).order_by("occurred_at"))
    decided = list(Relationship.objects.filter(actor=member.number).order_by("decided_at"))
    edges = Connection.objects.filter(Q(a=member) | Q(b=member)).select_related("a", "b")
    targets = {event.target for event in events} | {one.target for one in decided}
    ids = dict(
        Member.objects.filter(number__in=[n for n in targets if n]).values_list("number", "external_id")
    )
    markets: dict[int | None, str] = {market.pk: market.key for market in Market.objects.all()}
    return {
        "member": member_body(member),
        "trips": [
            {"market": trip.market.key, "starts_on": str(trip.starts_on), "ends_on": str(trip.ends_on)}
            for trip in Trip.objects.filter(member=member).select_related("market")
        ],
        "earlier_profiles": [
            {
                "until": one.until.isoformat(),
                "birth_date": one.birth_date and one.birth_date.isoformat(),
                "home_market": markets.get(one.home_market_id),
                "home_cell": one.home_cell,
                "industries": one.industries,
                "crafts": one.crafts,
                "skills": one.skills,
                "interests": one.interests,
            }
            for one in EarlierProfile.objects.filter(member=member).order_by("until")
        ],
        "connections": [
            {"with": edge.b.external_id if edge.a_id == member.pk else edge.a.external_id, "kind": edge.kind}
            for edge in edges
        ],
        "events": [
            {
                "type": event.type,
                "at": event.occurred_at.isoformat(),
                "surface": event.surface,
                "target": _name(event.target, event.target_kind, ids),
            }
            for event in events
        ],
        "decisions": [
            {
                "state": one.state,
                "at": one.decided_at.isoformat(),
                "surface": one.surface,
                "target": _name(one.target, one.target_kind, ids),
            }
            for one in decided
        ],
        "lists_received": Delivery.objects.filter(viewer=member.number).count(),
    }


def _name(number: int | None, kind: str, ids: dict[int, str]) -> str | None:
    if number is None:
        return None
    return ids.get(number) if kind == "member" else f"place {number}"
