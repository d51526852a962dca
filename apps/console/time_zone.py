"""Staff read and type times in their own time zone, which their browser names in a cookie (console.js)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps.common.local_time import zone_of

COOKIE = "zone"
FIELD = "zone"  # in forms with times: the zone in which they were drawn


def readers_zone(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Staff pages speak the reader's time zone; the API knows UTC alone."""

    def handle(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(reverse("admin:index")):
            return get_response(request)
        # A form is read in the zone it was drawn in, even if its reader has travelled since.
        drawn_in = zone_of(request.POST.get(FIELD)) if request.method == "POST" else None
        with timezone.override(drawn_in or zone_of(request.COOKIES.get(COOKIE)) or UTC):
            return get_response(request)

    return handle
