"""The forms of rules in a real browser: by keyboard, and in the reader's own time zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from apps.common import clock
from apps.releases import services
from tests.browser.conftest import IN_A_BROWSER, WIDTHS
from tests.browser.test_pages import hard_to_use, sideways, signed_in

pytestmark = [*IN_A_BROWSER, pytest.mark.django_db(transaction=True)]


def form_at(context: Any, address: str, part: str, draft: Any) -> Any:
    page = context.new_page()
    page.goto(address + reverse("admin:draft_entry", args=[draft.pk, part, "dating", "new"]))
    return page


def test_a_reader_in_new_york_reads_and_types_times_of_new_york(live_server, browser):
    draft = services.start_revision(actor=None)
    starts, ends = clock.today() + timedelta(days=5), clock.today() + timedelta(days=35)
    context = signed_in(browser, live_server.url, *WIDTHS["desktop"], timezone_id="America/New_York")
    page = form_at(context, live_server.url, "rules", draft)
    page.locator("[data-zone='America/New_York']").wait_for()  # the first page is asked for once more
    page.get_by_label("Starts (America/New_York)").fill(f"{starts}T10:00")
    page.get_by_label("Ends (America/New_York)").fill(f"{ends}T10:00")
    for label, value in (("Key", "lift"), ("Name", "Lift"), ("Reason", "A test")):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Save in the draft").click()
    page.get_by_text(f"{starts:%d %b %Y} 10:00 to {ends:%d %b %Y} 10:00").wait_for()
    draft.refresh_from_db()
    (rule,) = draft.content["surfaces"]["dating"]["rules"]
    for day, told in ((starts, rule["starts_at"]), (ends, rule["ends_at"])):
        there = datetime.fromisoformat(told).astimezone(ZoneInfo("America/New_York"))
        assert (there.date(), there.hour, told[-1]) == (day, 10, "Z")
    context.close()


def test_an_experiment_is_written_by_keyboard_and_a_refusal_stands_beside_its_knob(live_server, browser):
    draft = services.start_revision(actor=None)
    context = signed_in(browser, live_server.url, *WIDTHS["phone"], timezone_id="UTC")
    page = form_at(context, live_server.url, "experiments", draft)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    for label, value in (("Key", "spread"), ("Name", "Spread"), ("Hypothesis", "It helps."), ("Salt", "s")):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Reason", exact=True).fill("A test")
    offered = page.evaluate("[...document.querySelectorAll('datalist')].map((one) => one.id)")
    assert len(offered) == len(set(offered))
    page.get_by_role("button", name="Add a knob").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Diversity")  # the new row has the focus
    page.get_by_text("0 orders by score alone, 1 by difference alone. From 0 to 1.").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("7")
    page.keyboard.press("Enter")  # saves, and presses no button of a row
    page.get_by_text("Must be between 0 and 1.").wait_for()
    assert sideways(page) + hard_to_use(page) == []
    page.get_by_label("Value", exact=True).fill("0.4")
    page.get_by_role("button", name="Add a variant").press("Enter")
    page.get_by_role("button", name="Remove this variant").last.press("Enter")
    page.get_by_role("button", name="Save in the draft").click()
    page.get_by_text("Saved in the draft.").wait_for()
    draft.refresh_from_db()
    control, treatment = draft.content["experiments"][0]["variants"]
    assert (control["overrides"], treatment["overrides"]) == ({}, {"diversity": 0.4})
    assert [one for one in wrong if "422" not in one] == []
    context.close()


def test_the_form_of_a_rule_shows_only_the_fields_of_what_the_rule_does(live_server, browser):
    draft = services.start_revision(actor=None)
    context = signed_in(browser, live_server.url, *WIDTHS["desktop"], color_scheme="dark")
    page = form_at(context, live_server.url, "rules", draft)

    def shown() -> set[str]:
        labels = ("Factor", "Slots", "Share", "Times a day", "Candidates", "Pinned ids, in order")
        return {one for one in labels if page.get_by_text(one, exact=True).first.is_visible()}

    assert shown() == {"Candidates", "Factor"}
    page.get_by_label("How", exact=True).select_option("share")
    assert shown() == {"Candidates", "Share"}
    page.get_by_label("How", exact=True).select_option("slots")
    assert shown() == {"Candidates", "Slots"}
    page.get_by_label("Type", exact=True).select_option("bury")
    assert shown() == {"Candidates", "Factor"}, "nobody is buried into slots"
    page.get_by_label("Type", exact=True).select_option("cap")
    assert shown() == {"Candidates", "Times a day"}
    page.get_by_label("Type", exact=True).select_option("pin")
    assert shown() == {"Pinned ids, in order"}
    assert hard_to_use(page) == []
    context.close()
