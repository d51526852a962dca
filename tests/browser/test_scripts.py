"""What members write stays text: 200 payloads in each of their fields, every page of the admin, no new
element, no new attribute, no handler, and nothing runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.common.models import AuditEntry
from apps.console.roles import ensure_staff
from apps.interactions.models import Delivery, Event
from apps.members.models import Member
from apps.releases.models import Revision
from tests.browser.conftest import IN_A_BROWSER
from tests.browser.payloads import PAYLOADS
from tests.browser.test_pages import pages, say_why, signed_in
from tests.console.people import opened
from tests.console.town import build_town

pytestmark = [*IN_A_BROWSER, pytest.mark.django_db(transaction=True)]
# Elements with their attributes' names; values too where they are code or addresses.
SHAPE = """(pages) => pages.map((html) => {
  const shape = {};
  for (const one of new DOMParser().parseFromString(html, "text/html").querySelectorAll("*")) {
    const said = [...one.attributes].map(({name, value}) => {
      if (/^(x-|@|:|hx-|on)/.test(name)) return `${name}=${value}`;
      if (/^\\s*(javascript|data:text|vbscript)/i.test(value)) return `${name}=code`;
      return name;
    }).sort();
    const line = `${one.localName} ${said.join(" ")}`;
    shape[line] = (shape[line] || 0) + 1;
  }
  return shape;
})"""


def write(texts: Iterable[str]) -> None:
    """Gives member after member the next text, in every field that members write."""
    members = list(Member.objects.order_by("number"))
    for member, text in zip(members, texts, strict=True):
        member.display_name = text[:100]
        member.bio = text
        member.photo_url = f"https://photos.example/{text}"[:500]
        member.industries = member.crafts = member.skills = [text[:40]]
        member.interests = {text[:40]: 0.5}
        member.save()
    with connection.cursor() as cursor:  # what an event says beside its type is the members' too
        cursor.execute("UPDATE interactions_event SET context = jsonb_build_object('note', m.bio) "
                       "FROM members_member m WHERE m.number = actor")  # fmt: skip


def addresses() -> list[str]:
    """Every page that exists, the page of every member, and of a delivery and an event of each."""
    found = list(pages().values())
    for member in Member.objects.order_by("number"):
        found.append(reverse("admin:members_member_change", args=[member.pk]))
        found.append(reverse("admin:member_data", args=[member.external_id]))
    first = {row.viewer: row for row in Delivery.objects.defer("viewer_state").order_by("id")}
    found += [reverse("admin:interactions_delivery_change", args=[row.pk]) for row in first.values()]
    events = {row.actor: row for row in Event.objects.order_by("id")}
    return found + [reverse("admin:interactions_event_change", args=[row.pk]) for row in events.values()]


def rendered(client: Client) -> dict[str, str]:
    """Page by page; the two that take a form are filled in."""
    html = {address: opened(client, address) for address in addresses()}
    draft = Revision.objects.get(status="draft")
    preview = reverse("admin:preview", args=[draft.pk])
    asked = {"surface": "dating", "member": "m-00001", "reason": "A test"}
    html["preview"] = client.post(preview, asked).content.decode()
    asked = {"surface": "dating", "viewer": "m-00001", "candidate": "m-00002", "reason": "A test"}
    html["why not"] = client.post(reverse("admin:why_not"), asked).content.decode()
    return html


def test_members_words_add_no_element_no_attribute_and_no_handler_to_any_page(browser: Any) -> None:
    build_town(members=len(PAYLOADS), days=2)
    client = superuser()
    write("Aa harmless word "[: len(one)] + "a" * (len(one) - 17) for one in PAYLOADS)
    rendered(client)  # the first looks leave their reasons behind; pages that know one show no form for it
    fill_the_audit_trail()
    plain = rendered(client)
    write(PAYLOADS)
    fill_the_audit_trail()  # looks stand there by now
    attacked = rendered(client)
    page = browser.new_page()
    wrong = {}
    names = list(plain)
    for start in range(0, len(names), 50):
        some = names[start : start + 50]
        before = page.evaluate(SHAPE, [plain[name] for name in some])
        after = page.evaluate(SHAPE, [attacked[name] for name in some])
        for name, was, now in zip(some, before, after, strict=True):
            if was != now:
                wrong[name] = {line for line in {*was, *now} if was.get(line) != now.get(line)}
    assert wrong == {}
    carrying = sum("__ran" in html for html in attacked.values())
    assert carrying > 2 * len(PAYLOADS), "the payloads do stand on the pages"


def test_nothing_runs_in_a_real_page(live_server: Any, browser: Any) -> None:
    build_town(members=len(PAYLOADS), days=2)
    write(PAYLOADS)
    context = signed_in(browser, live_server.url, 1440, 1000)
    context.route(lambda url: not url.startswith(live_server.url), lambda route: route.abort())
    ran, page = [], context.new_page()
    for address in [*pages().values(), *addresses()[-20:]]:
        page.goto(live_server.url + address, wait_until="load")
        say_why(page)
        if page.evaluate("window.__ran"):
            ran.append(address)
    assert ran == []


def fill_the_audit_trail() -> None:
    AuditEntry.objects.bulk_create(AuditEntry(action="full", subject="page") for _ in range(30))


def superuser() -> Client:
    user = ensure_staff("ann", "a long pass phrase", "approver")
    user.is_superuser = True
    user.save()
    client = Client()
    client.force_login(user)
    return client
