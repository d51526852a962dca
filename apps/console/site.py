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
        from apps.console import policy_views as views

        pages = [
            ("policies/", "policies", views.policies),
            ("policies/drafts/start/", "draft_start", views.start),
            ("policies/drafts/<int:pk>/", "draft_review", views.review),
            ("policies/drafts/<int:pk>/publish/", "draft_publish", views.publish),
            ("policies/drafts/<int:pk>/discard/", "draft_discard", views.discard),
            ("policies/drafts/<int:pk>/update/", "draft_update", views.update),
            ("policies/drafts/<int:pk>/<slug:surface>/", "draft_edit", views.edit),
            ("releases/", "releases", views.releases),
            ("releases/<int:number>/", "release", views.release),
            ("releases/<int:number>/roll-back/", "release_roll_back", views.roll_back),
        ]
        return [path(route, self.admin_view(view), name=name) for route, name, view in pages]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from apps.console.today import today_page

        context = {**self.each_context(request), "title": "Today", **today_page(), **(extra_context or {})}
        request.current_app = self.name
        return TemplateResponse(request, "console/today.html", context)
