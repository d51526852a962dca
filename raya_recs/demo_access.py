"""Who may use the demo: two staff logins, a service key, and a few viewers to try.

Gives a dict that the demo prints; secrets are made once and kept in the caller's file, since the database has
only their hashes.
"""

import secrets
from typing import Any

SCOPES = ["members:read", "members:write", "places:write", "events:write", "recommend:read", "explain:read"]
VIEWERS = 5


def ensure_access(known: dict[str, Any]) -> dict[str, Any]:
    """`known` is what an earlier call gave; what is still good stays."""
    from apps.surfaces.models import Surface

    return {
        "logins": {
            name: _ensure_login(name, known.get("logins", {}).get(name)) for name in ("editor", "approver")
        },
        "service_key": _ensure_service_key(known.get("service_key", "")),
        "surfaces": list(Surface.objects.filter(is_active=True).values_list("key", flat=True)),
        "viewers": _viewers(),
    }


def _ensure_login(name: str, known_password: str | None) -> str:
    from django.contrib.auth.models import User

    user, _ = User.objects.get_or_create(username=name, defaults={"is_staff": True})
    password = known_password or secrets.token_urlsafe(12)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    user.user_permissions.set(_permissions(may_publish=name == "approver"))
    return password


def _permissions(*, may_publish: bool) -> Any:
    """Both see and tune everything; publishing a release and handing out keys is the approver's."""
    from django.contrib.auth.models import Permission

    everything = Permission.objects.exclude(content_type__app_label__in=["auth", "admin", "contenttypes"])
    if may_publish:
        return everything
    return everything.exclude(codename="publish_release").exclude(codename__endswith="_servicekey")


def _ensure_service_key(known: str) -> str:
    from apps.api.services import create_service_key

    from apps.api.models import ServiceKey

    prefix = known.partition(".")[0]
    if prefix and ServiceKey.objects.filter(prefix=prefix, revoked=False).exists():
        return known
    _, key = create_service_key(name="Demo", scopes=SCOPES)
    return str(key)


def _viewers() -> list[str]:
    """Long-standing members have the most to show."""
    from apps.members.models import Member

    found = Member.objects.filter(
        status="active", visibility="visible", stopped_at=None, home_market__isnull=False
    ).exclude(gender="")
    return list(found.order_by("joined_at", "number").values_list("external_id", flat=True)[:VIEWERS])
