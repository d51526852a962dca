"""Staff, signed in."""

from __future__ import annotations

from django.test import Client

from apps.console.roles import Role, ensure_staff


def staff(role: Role, name: str = "") -> Client:
    """A client with the session of somebody of this role, who stands as `client.user`."""
    client = Client()
    client.user = ensure_staff(name or role, "a long pass phrase", role)
    client.force_login(client.user)
    return client
