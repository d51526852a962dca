"""Who may use the demo: a staff login for each role, a service key, and a few viewers to try.

Gives a dict that the demo prints; secrets are made once and kept in the caller's file, since the database has
only their hashes.
"""

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apps.console.roles import Role

SCOPES = [
    "members:read",
    "members:write",
    "places:write",
    "events:write",
    "recommend:read",
    "explain:read",
    "flags:read",
]
VIEWERS = 5


def ensure_access(known: dict[str, Any]) -> dict[str, Any]:
    """`known` is what an earlier call gave; what is still good stays."""
    from apps.console.roles import ROLES
    from apps.surfaces.models import Surface

    passwords = known.get("logins", {})
    return {
        "logins": {role: _ensure_login(role, passwords.get(role)) for role in ROLES},
        "service_key": _ensure_service_key(known.get("service_key", "")),
        "surfaces": list(Surface.objects.filter(is_active=True).values_list("key", flat=True)),
        "viewers": _viewers(),
    }


def _ensure_login(role: "Role", known_password: str | None) -> str:
    """The password stays while it fits: setting it anew would end the browser's session."""
    from django.contrib.auth.models import User

    from apps.console.roles import ensure_staff

    user = User.objects.filter(username=role, is_active=True).first()
    if user and known_password and user.check_password(known_password):
        return known_password
    password = known_password or secrets.token_urlsafe(12)
    ensure_staff(role, password, role, email=f"{role}@example.org")  # its mails are files
    return password


def _ensure_service_key(known: str) -> str:
    from apps.api.models import ServiceKey
    from apps.api.services import create_service_key

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
