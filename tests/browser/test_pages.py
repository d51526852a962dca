"""Every page of the admin in a real browser, at desktop and phone width: it loads, logs nothing, and fits.

Pictures of all of them are kept under var/screens/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.console.roles import ensure_staff
from apps.interactions.models import Delivery, Event, Relationship
from apps.members.models import Member
from apps.places.models import CuratedList, Place
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.releases.models import Revision
from tests.browser.conftest import CHROMIUM, SCREENS, WIDTHS
from tests.console.town import build_town

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)"),
    pytest.mark.django_db(transaction=True),
]


def pages() -> dict[str, str]:
    """Name of the picture -> address."""
    draft = Revision.objects.get(status="draft")
    found = {
        "today": reverse("admin:index"),
        "policies": reverse("admin:policies"),
        "draft-edit": reverse("admin:draft_edit", args=[draft.pk, "dating"]),
        "draft-edit-places": reverse("admin:draft_edit", args=[draft.pk, "travel"]),
        "draft-review": reverse("admin:draft_review", args=[draft.pk]),
        "releases": reverse("admin:releases"),
        "release": reverse("admin:release", args=[3]),
        "release-earlier": reverse("admin:release", args=[2]),
        "member-search": reverse("admin:members_member_changelist") + "?q=Ada",
        "user-add": reverse("admin:auth_user_add"),
        "key-add": reverse("admin:api_servicekey_add"),
        "list-add": reverse("admin:places_curatedlist_add"),
        "task-add": reverse("admin:django_celery_beat_periodictask_add"),
    }
    for model in (
        "members_member",
        "places_place",
        "places_curatedlist",
        "interactions_event",
        "interactions_relationship",
        "interactions_delivery",
        "common_auditentry",
        "surfaces_surface",
        "surfaces_market",
        "refresh_snapshotrow",
        "refresh_refreshjob",
        "api_servicekey",
        "django_celery_beat_periodictask",
        "auth_user",
        "auth_group",
    ):
        found[f"list-{model}"] = reverse(f"admin:{model}_changelist")
    shown = {
        "members_member": Member.objects.first(),
        "places_place": Place.objects.first(),
        "places_curatedlist": CuratedList.objects.first(),
        "interactions_event": Event.objects.order_by("occurred_at").first(),
        "interactions_relationship": Relationship.objects.first(),
        "interactions_delivery": Delivery.objects.filter(surface="dating").exclude(candidates=[]).first(),
        "refresh_snapshotrow": SnapshotRow.objects.filter(status="ready").first(),
        "refresh_refreshjob": RefreshJob.objects.filter(status="failed").first(),
        "auth_user": User.objects.first(),
    }
    for model, row in shown.items():
        assert row is not None
        found[f"one-{model}"] = reverse(f"admin:{model}_change", args=[row.pk])
    return found


def signed_in(browser: Any, address: str, width: int, height: int) -> Any:
    """A browser context with the session of an approver who is a superuser too, so that every page opens."""
    user = ensure_staff("ann", "a long pass phrase", "approver")
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    client = Client()
    client.force_login(user)
    context = browser.new_context(viewport={"width": width, "height": height})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}])
    return context


def visit(page: Any, address: str, picture: Path) -> list[str]:
    """What is wrong with the page, as sentences."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    response = page.goto(address, wait_until="load")
    if response.status != 200:
        wrong.append(f"answered {response.status}")
    say_why(page)
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if sideways > 0:
        wrong.append(f"scrolls sideways by {sideways} px")
    page.screenshot(path=str(picture), full_page=True)
    return wrong + hard_to_use(page)


def say_why(page: Any) -> None:
    """On a page about one member, gives the reason that it asks for."""
    if page.get_by_role("button", name="Look", exact=True).count():
        page.fill("#reason", "A test")
        page.get_by_role("button", name="Look", exact=True).click()
        page.wait_for_load_state("load")


def hard_to_use(page: Any) -> list[str]:
    """What axe finds against WCAG 2.1 A and AA (contrast, labels, names, roles), as sentences."""
    from axe_playwright_python.sync_playwright import Axe

    only = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options=only).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:160]}"
        for violation in found
        for node in violation["nodes"][:5]
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_loads_without_errors_and_fits_the_width(live_server, browser, width):
    build_town()
    SCREENS.mkdir(parents=True, exist_ok=True)
    context = signed_in(browser, live_server.url, *WIDTHS[width])
    wrong = {}
    for name, address in pages().items():
        page = context.new_page()
        if found := visit(page, live_server.url + address, SCREENS / f"{name}-{width}.png"):
            wrong[name] = found
        page.close()
    assert wrong == {}
