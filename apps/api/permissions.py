"""What a key may do: each view names the scope of each of its methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.api.problems import scope_missing

if TYPE_CHECKING:  # the settings import this before views can be imported
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """`view.scopes` maps a method to the scope it needs. One that is not there is refused later, by 405."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user is None or not getattr(request.user, "is_authenticated", False):
            return False
        scopes: dict[str, str] = getattr(view, "scopes", {})
        needed = scopes.get("GET" if request.method == "HEAD" else str(request.method))
        if needed is not None and needed not in request.user.scopes:  # type: ignore[union-attr]
            raise scope_missing(needed)
        return True
