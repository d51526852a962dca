"""Every page of the admin in a real browser, at desktop and phone width: it loads, logs nothing, and fits.

Pictures of all of them are kept under var/screens/.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.api.models import ServiceKey
from apps.common.models import AuditEntry
from apps.console.roles import ensure_staff
from apps.interactions.models import Delivery, Event, Relationship
from apps.members.models import Member
from apps.places.models import CuratedList, Place
from apps.refresh.models import RefreshJob, SnapshotRow
from apps.releases.models import Revision
from apps.surfaces.models import Market, Surface
from tests.browser.conftest import IN_A_BROWSER, SCREENS, WIDTHS
from tests.console.town import build_town

pytestmark = [*IN_A_BROWSER, pytest.mark.django_db(transaction=True)]
DELETED = (
    "places_curatedlist",
    "auth_user",
    "django_celery_beat_periodictask",
    "django_celery_beat_intervalschedule",
)
PASSWORD = "a long pass phrase"
ENTRIES = {  # part -> a surface, and an entry of the town that is live
    "rules": ("dating", "newcomers"),
    "segments": ("dating", "grown"),
    "flags": ("dating", "bolder-lists"),
    "experiments": ("networking", "spread"),
}


def pages() -> dict[str, str]:
    """Name of the picture -> address."""
    draft = Revision.objects.get(status="draft")
    found = _of_the_work(draft) | {
        "today": reverse("admin:index"),
        "policies": reverse("admin:policies"),
        "draft-edit": reverse("admin:draft_edit", args=[draft.pk, "dating"]),
        "draft-edit-places": reverse("admin:draft_edit", args=[draft.pk, "travel"]),
        "draft-governance": reverse("admin:draft_governance", args=[draft.pk]),
        "draft-market": reverse("admin:draft_market", args=[draft.pk, "dating", "lisbon"]),
        "draft-rules": reverse("admin:draft_entries", args=[draft.pk, "rules"]),
        "draft-rules-import": reverse("admin:draft_entries_import", args=[draft.pk, "rules"]),
        "delivery-replay": reverse("admin:delivery_replay", args=[Delivery.objects.latest("served_at").pk]),
        "draft-review": reverse("admin:draft_review", args=[draft.pk]),
        "releases": reverse("admin:releases"),
        "release": reverse("admin:release", args=[3]),
        "release-earlier": reverse("admin:release", args=[2]),
        "member-search": reverse("admin:members_member_changelist") + "?q=Ada",
        "user-add": reverse("admin:auth_user_add"),
        "user-password": reverse("admin:auth_user_password_change", args=[User.objects.all()[0].pk]),
        "own-password": reverse("admin:password_change"),
        "own-password-done": reverse("admin:password_change_done"),
        "list-history": reverse("admin:places_curatedlist_history", args=[CuratedList.objects.all()[0].pk]),
    }
    for model in (
        "api_servicekey",
        "places_curatedlist",
        "surfaces_surface",
        "surfaces_market",
        "django_celery_beat_periodictask",
        "django_celery_beat_intervalschedule",
        "django_celery_beat_crontabschedule",
        "django_celery_beat_clockedschedule",
        "django_celery_beat_solarschedule",
    ):
        found[f"add-{model}"] = reverse(f"admin:{model}_add")
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
        "django_celery_beat_intervalschedule",
        "django_celery_beat_crontabschedule",
        "django_celery_beat_clockedschedule",
        "django_celery_beat_solarschedule",
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
        "auth_group": Group.objects.first(),
        "api_servicekey": ServiceKey.objects.first(),
        "common_auditentry": AuditEntry.objects.exclude(before=None).first(),
        "surfaces_surface": Surface.objects.first(),
        "surfaces_market": Market.objects.first(),
        "django_celery_beat_periodictask": PeriodicTask.objects.first(),
        "django_celery_beat_intervalschedule": IntervalSchedule.objects.first(),
    }
    for model, row in shown.items():
        assert row is not None
        found[f"one-{model}"] = reverse(f"admin:{model}_change", args=[row.pk])
        if model in DELETED:
            found[f"delete-{model}"] = reverse(f"admin:{model}_delete", args=[row.pk])
    return found


def _of_the_work(draft: Revision) -> dict[str, str]:
    """The console's own pages: tuning, rules, experiments, preview, inspection, safety."""
    member = Member.objects.all()[0].external_id
    found = {
        "preview": reverse("admin:preview", args=[draft.pk]),
        "study": reverse("admin:study", args=[draft.pk]),
        "why-not": reverse("admin:why_not"),
        "safety": reverse("admin:safety"),
        "staff-changes": reverse("admin:staff_changes"),
        "member-data": reverse("admin:member_data", args=[member]),
        "experiment": reverse("admin:experiment", args=["spread"]),
        "pacer": reverse("admin:pacer"),
        "paced-rule": reverse("admin:paced_rule", args=["dating", "welcome"]),
        "draft-governance": reverse("admin:draft_governance", args=[draft.pk]),
        "draft-market": reverse("admin:draft_market", args=[draft.pk, "dating", "lisbon"]),
        "draft-import": reverse("admin:draft_entries_import", args=[draft.pk, "rules"]),
        "replay": reverse("admin:delivery_replay", args=[Delivery.objects.order_by("pk")[0].pk]),
    }
    for part, (surface, name) in ENTRIES.items():
        found[part] = reverse("admin:entries", args=[part])
        found[f"draft-{part}"] = reverse("admin:draft_entries", args=[draft.pk, part])
        for label, one in (("new", "new"), ("edit", name)):
            found[f"{label}-{part}"] = reverse("admin:draft_entry", args=[draft.pk, part, surface, one])
    return found


def signed_in(browser: Any, address: str, width: int, height: int, **more: Any) -> Any:
    """A browser context with the session of an approver who is a superuser too, so that every page opens."""
    user = ensure_staff("ann", PASSWORD, "approver")
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    client = Client()
    client.force_login(user)
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
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
    page.screenshot(path=str(picture), full_page=True)
    return wrong + sideways(page) + hard_to_use(page)


CUT_FIELDS = """() => [...document.querySelectorAll('.formset-wrapper :is(input, select, textarea, a)')]
    .filter(e => { const at = e.getBoundingClientRect(); return at.width > 1 && at.right > innerWidth })
    .map(e => e.name || e.title || e.className)"""


def sideways(page: Any) -> list[str]:
    """Whether it scrolls sideways, or hides a field of a list beyond the edge, as sentences."""
    by = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    cut = page.evaluate(CUT_FIELDS)
    return [f"scrolls sideways by {by} px"] * (by > 0) + [f"{name} stands beyond the edge" for name in cut]


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


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")])
def test_every_page_loads_without_errors_fits_the_width_and_can_be_read(live_server, browser, width, scheme):
    build_town()
    SCREENS.mkdir(parents=True, exist_ok=True)
    context = signed_in(browser, live_server.url, *WIDTHS[width], color_scheme=scheme)
    wrong = {}
    for name, address in pages().items():
        page = context.new_page()
        picture = SCREENS / f"{name}-{width if scheme == 'light' else scheme}.png"
        if found := visit(page, live_server.url + address, picture):
            wrong[name] = found
        page.close()
    context.close()
    assert not wrong, "\n".join(f"{name}: {said}" for name, all_said in wrong.items() for said in all_said)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_doors_load_without_errors_and_fit_the_width(live_server, browser, width, settings):
    """Login, refused, locked out; two-factor login set up, its recovery codes, and asked for."""
    settings.TWO_FACTOR = True
    SCREENS.mkdir(parents=True, exist_ok=True)
    user = ensure_staff("ann", PASSWORD, "approver")
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    page = browser.new_context(viewport=size).new_page()
    login = live_server.url + reverse("admin:login")
    wrong = {"login": visit(page, login, SCREENS / f"login-{width}.png")}

    def seen(name: str) -> None:
        page.wait_for_load_state()
        page.screenshot(path=str(SCREENS / f"{name}-{width}.png"), full_page=True)
        wrong[name] = sideways(page) + hard_to_use(page)

    def sign_in(password: str, name: str) -> None:
        page.goto(login)
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name=re.compile("log in", re.I)).click()
        seen(name)

    sign_in("wrong", "login-refused")
    sign_in(PASSWORD, "second-step-set-up")
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Turn on").click()
    seen("second-step-refused")
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    page.get_by_label("Code", exact=True).fill(f"{totp(TOTPDevice.objects.get(user=user).bin_key):06d}")
    page.get_by_role("button", name="Turn on").click()
    seen("second-step-codes")
    page.context.clear_cookies()
    sign_in(PASSWORD, "second-step")
    page.context.clear_cookies()
    for _ in range(5):
        sign_in("wrong", "locked-out")
    assert "15 minutes" in page.locator("body").inner_text()
    page.context.close()
    assert {name: found for name, found in wrong.items() if found} == {}
