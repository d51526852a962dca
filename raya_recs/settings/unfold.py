"""The look and the navigation of the admin (django-unfold). The navigation follows the work."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _item(title: str, icon: str, page: str, permission: str = "", *args: str) -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{page}", args=args)}
    if permission:
        item["permission"] = lambda request: request.user.has_perm(permission)
    return item


UNFOLD = {
    "SITE_TITLE": "raya_recs",
    "SITE_HEADER": "raya_recs",
    "SITE_SUBHEADER": "Recommendations",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/icon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/console.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 255)",
            "100": "oklch(93.2% .032 256)",
            "200": "oklch(88.2% .059 254)",
            "300": "oklch(80.9% .105 252)",
            "400": "oklch(70.7% .165 255)",
            "500": "oklch(60% .19 258)",
            "600": "oklch(50.5% .2 262)",
            "700": "oklch(45% .19 264)",
            "800": "oklch(40% .16 265)",
            "900": "oklch(35% .13 266)",
            "950": "oklch(26% .09 268)",
        },
        "font": {"subtle-light": "var(--color-base-600)"},
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {"items": [_item("Today", "monitoring", "index")]},
            {
                "title": "Tune",
                "separator": True,
                "items": [
                    _item("Policies", "tune", "policies"),
                    _item("Releases", "rocket_launch", "releases"),
                    _item("Curated lists", "list_alt", "places_curatedlist_changelist"),
                ],
            },
            {
                "title": "Rules",
                "separator": True,
                "items": [
                    _item("Rules", "rule", "entries", "", "rules"),
                    _item("Pacer", "speed", "pacer"),
                    _item("Segments", "groups", "entries", "", "segments"),
                    _item("Flags", "flag", "entries", "", "flags"),
                ],
            },
            {
                "title": "Experiments",
                "separator": True,
                "items": [_item("Experiments", "science", "entries", "", "experiments")],
            },
            {
                "title": "Inspect",
                "separator": True,
                "items": [
                    _item("Why not", "help", "why_not"),
                    _item("Safety", "shield", "safety", "members.stop_member"),
                    _item("Deliveries", "move_to_inbox", "interactions_delivery_changelist"),
                    _item("Events", "bolt", "interactions_event_changelist"),
                    _item("Relationships", "handshake", "interactions_relationship_changelist"),
                    _item("Audit trail", "history", "common_auditentry_changelist"),
                ],
            },
            {
                "title": "Data",
                "separator": True,
                "items": [
                    _item("Members", "group", "members_member_changelist"),
                    _item("Places", "location_on", "places_place_changelist"),
                    _item("Surfaces", "view_carousel", "surfaces_surface_changelist"),
                    _item("Markets", "public", "surfaces_market_changelist"),
                ],
            },
            {
                "title": "System",
                "separator": True,
                "items": [
                    _item("Snapshots", "photo_camera", "refresh_snapshotrow_changelist"),
                    _item("Refresh jobs", "autorenew", "refresh_refreshjob_changelist"),
                    _item("Schedule", "schedule", "django_celery_beat_periodictask_changelist"),
                    _item("Service keys", "key", "api_servicekey_changelist", "api.view_servicekey"),
                    _item("Staff", "badge", "auth_user_changelist", "auth.view_user"),
                    _item("Staff changes", "how_to_reg", "staff_changes", "auth.view_user"),
                ],
            },
        ],
    },
}
