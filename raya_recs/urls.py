"""Every address. RAYA_RECS_PROCESS decides which half a process serves."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = []
# What is refused before any view, such as a host that is not ours, is a problem document too.
handler400 = "apps.api.problems.bad_request"

if settings.PROCESS in ("api", "all"):
    urlpatterns.append(path("", include("apps.api.urls")))
if settings.SERVES_ADMIN:
    from django.contrib import admin

    urlpatterns.append(path("admin/", admin.site.urls))
