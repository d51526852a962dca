"""REST addresses."""

from django.urls import URLPattern, URLResolver, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from apps.api import events, explain, flags, health, members, places, problems
from apps.api.hot_schema import BackfillSchema, EventsSchema, RankingsSchema, RecommendationsSchema, shown_as
from apps.api.recommendations import rankings, recommendations

V1 = "api/v1/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(V1 + "recommendations", shown_as(recommendations, RecommendationsSchema)),
    path(V1 + "rankings", shown_as(rankings, RankingsSchema)),
    path(V1 + "events", shown_as(events.events, EventsSchema)),
    path(V1 + "events/backfill", shown_as(events.backfill, BackfillSchema)),
    path(V1 + "members/bulk", members.MembersBulk.as_view()),
    path(V1 + "members/<str:member>", members.MemberView.as_view()),
    path(V1 + "members/<str:member>/trips", members.TripsView.as_view()),
    path(V1 + "trips/bulk", members.TripsBulk.as_view()),
    path(V1 + "connections/bulk", members.ConnectionsBulk.as_view()),
    path(V1 + "connections/<str:a>/<str:b>", members.ConnectionView.as_view()),
    path(V1 + "places/bulk", places.PlacesBulk.as_view()),
    path(V1 + "places/<str:place>", places.PlaceView.as_view()),
    path(V1 + "lists/<str:curated_list>", places.ListView.as_view()),
    path(V1 + "deliveries/<str:delivery>/trace", explain.TraceView.as_view()),
    path(V1 + "flags", flags.FlagsView.as_view()),
    path(V1 + "explain", explain.ExplainView.as_view()),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("health/live", health.LiveView.as_view()),
    path("health/ready", health.ReadyView.as_view()),
    path("metrics", health.metrics),
    re_path(r"^(api|health)/", problems.not_found),
]
