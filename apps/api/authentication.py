"""Who calls: `Authorization: Api-Key prefix.secret` becomes the live key. Does not decide what it may do."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.api.keys import LiveKey, find_key
from apps.api.problems import key_invalid

SCHEME = "api-key"


def key_of(request: HttpRequest) -> LiveKey | None:
    """The key a request presents; None without one. Raises 401 for one that is wrong, revoked or expired."""
    header = request.META.get("HTTP_AUTHORIZATION")
    if not header:
        return None
    scheme, _, presented = header.partition(" ")
    presented = presented.strip()
    key = find_key(presented) if scheme.lower() == SCHEME and presented.isascii() else None
    if key is None:
        raise key_invalid()
    return key


class ServiceKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[LiveKey, LiveKey] | None:
        key = key_of(request._request)
        return None if key is None else (key, key)

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"
