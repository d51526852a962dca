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


def opened(client: Client, address: str) -> str:
    """A page as it stands once the reason for looking at its member was given."""
    html = client.get(address).content.decode()
    if "Why do you look at" not in html:
        return html
    client.post(address, {"reason": "A test"})
    return client.get(address).content.decode()
