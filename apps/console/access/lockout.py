"""Too many wrong passwords: this name is locked out from this address, and from nowhere else."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def client_address(request: HttpRequest) -> str:
    """The caller's address. Of X-Forwarded-For only what our own proxies wrote counts, from the right."""
    if settings.TRUSTED_PROXIES:
        said = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(said) >= settings.TRUSTED_PROXIES:
            return said[-settings.TRUSTED_PROXIES]
    return str(request.META.get("REMOTE_ADDR", ""))


def locked_out(request: HttpRequest, _response: HttpResponse | None, _credentials: Any) -> HttpResponse:
    from django.contrib import admin

    minutes = round(settings.AXES_COOLOFF_TIME.total_seconds() / 60)
    frame = admin.site.each_context(request) | {"title": "Locked out for a while", "minutes": minutes}
    return render(request, "console/access/locked_out.html", frame, status=429)
