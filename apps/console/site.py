"""The admin site, in the order of the work: Today first, then what is tuned, then what is inspected."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """One site for every staff page."""

    site_header = "raya_recs"
    site_title = "raya_recs"
    index_title = "Today"

    def extra_urls(self) -> list[URLPattern]:
        from apps.console.access.second_step import second_step
        from apps.console.access.staff_changes import PAGES as STAFF
        from apps.console.drafts.pages import PAGES as DRAFTS
        from apps.console.experiments.pages import PAGES as EXPERIMENTS
        from apps.console.inspect.replay_page import PAGES as REPLAY
        from apps.console.inspect.why_not import PAGES as INSPECT
        from apps.console.pacing.pages import PAGES as PACING
        from apps.console.policies.pages import PAGES as POLICIES
        from apps.console.preview.pages import PAGES as PREVIEW
        from apps.console.releases.pages import PAGES as RELEASES
        from apps.console.rules.pages import PAGES as RULES
        from apps.console.rules.together import PAGES as TOGETHER
        from apps.console.safety.pages import PAGES as SAFETY

        pages = [
            *DRAFTS, *RELEASES, *TOGETHER, *RULES, *EXPERIMENTS, *INSPECT, *REPLAY, *PREVIEW, *SAFETY,
            *PACING, *POLICIES, *STAFF,
        ]  # fmt: skip
        inside = [path(route, self.admin_view(view), name=name) for route, name, view in pages]
        return [path("second-step/", second_step, name="second_step"), *inside]

    def has_permission(self, request: HttpRequest) -> bool:
        from apps.console.access.verified import is_verified

        return super().has_permission(request) and is_verified(request.user)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from apps.console.today import today_page

        context = {**self.each_context(request), "title": "Today", **today_page(), **(extra_context or {})}
        request.current_app = self.name
        return TemplateResponse(request, "console/today.html", context)
