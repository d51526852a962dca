"""Days of product staff in a real browser against the running demo; a picture of each step in var/screens/.

The tests run in order on one demo: what one publishes, the next finds live.
"""

from __future__ import annotations

import base64
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django_otp.oath import totp

from raya_recs.processes import Children, free_port, serving
from tests.browser.conftest import IN_A_BROWSER, ROOT, Demo
from tests.browser.staff import Staff, of_the_guide, wait_for

pytestmark = IN_A_BROWSER
SHORT = {
    "nearest": 2, "liked_you": 0, "friends_of_friends": 0, "newcomers": 1, "recently_active": 1,
    "pagerank": 0,
}  # fmt: skip
AT_ONCE = 2.0  # seconds within which members see what staff did


def look(demo: Demo, member: str, **more: Any) -> list[str]:
    """Who would be shown, without showing them."""
    asked = {"surface": "dating", "member": member, "limit": 20, "dry_run": "true", **more}
    return [item["id"] for item in demo.get("recommendations", **asked)["items"]]


def live(demo: Demo) -> int:
    answer = demo.get("recommendations", surface="dating", member=demo.viewers[0], limit=1, dry_run="true")
    return int(answer["release"])


def wait_for_release(demo: Demo, number: int) -> float:
    """Both web workers answer with it: ten answers in a row say so."""

    def ten_in_a_row() -> bool:
        return all(live(demo) == number for _ in range(10))

    return wait_for(ten_in_a_row, 10, f"release {number} is served")[1]


QUIET = """
from apps.delivery.reach import ready_to_serve
from apps.releases.services import edit_revision, publish_revision, start_revision
draft = start_revision(actor=None)
edit_revision(draft, draft.version, {"dating.exploration": 0, "dating.random_share": 0})
ready_to_serve(draft)
publish_revision(draft, actor=None, note="Nothing by lot, so that lists can be compared")
"""


@pytest.fixture(scope="module", autouse=True)
def nothing_by_lot(demo: Demo) -> None:
    before = live(demo)
    demo.manage("shell", "-c", QUIET)
    wait_for_release(demo, before + 1)
    time.sleep(AT_ONCE)  # ten answers may all be one worker's; after this the other one has followed too


@pytest.fixture(scope="module")
def editor(demo: Demo, browser: Any) -> Staff:
    return Staff(browser, demo, "editor").sign_in()


@pytest.fixture(scope="module")
def approver(demo: Demo, browser: Any) -> Staff:
    return Staff(browser, demo, "approver").sign_in()


@pytest.fixture(scope="module")
def safety(demo: Demo, browser: Any) -> Staff:
    return Staff(browser, demo, "safety").sign_in()


def test_a_weight_is_drafted_previewed_studied_approved_published_and_rolled_back(demo, editor, approver):
    viewer = demo.viewers[0]
    before, earlier = look(demo, viewer), live(demo)
    editor.go("").picture("today")
    editor.go("policies/").picture("policies").press("Edit")
    draft = editor.draft_number()
    editor.go(f"policies/drafts/{draft}/dating/")
    editor.page.locator('input[type=number][name$="weights.activity"]').fill("1")
    editor.picture("draft-edit")
    editor.page.get_by_role("button", name="Save and review").click()
    editor.page.wait_for_load_state()
    editor.sees("1 difference to live release").picture("draft-review")

    editor.follow("Preview on a member").choose("Surface", "dating")
    editor.fill("Member's id", viewer).fill("Why do you look?", "Checking a new weight")
    editor.press("Show the lists").picture("preview")
    columns = editor.page.locator(".rc-columns section")
    assert columns.count() == 3, "before, after, and the rules off"
    assert look(demo, viewer) == before, "a preview shows nobody to anybody"

    editor.go(f"policies/drafts/{draft}/study/").fill("Lists", 100).press("Study").picture("study-running")
    editor.page.get_by_text("lists change").first.wait_for(timeout=60_000)
    editor.picture("study-done")

    editor.go(f"policies/drafts/{draft}/").press("Measure", within="Reach").press("Ask for approval")
    editor.sees("waiting for approval").picture("approval-asked")
    approver.go("").picture("approver-today")
    approver.go(f"policies/drafts/{draft}/").open("Publish")
    approver.fill("What does this change, and why?", "Members who are around come first").picture("publish")
    approver.page.locator("details[open] button[type=submit]").last.click()
    approver.page.wait_for_load_state()
    release = earlier + 1
    took = wait_for_release(demo, release)
    assert took < AT_ONCE, f"the list changed after {took:.1f} s"
    assert look(demo, viewer) != before
    approver.go(f"releases/{release}/").picture("release")

    approver.go(f"releases/{earlier}/").open(f"Make release {earlier} live").press("Yes, now")
    assert wait_for_release(demo, earlier) < AT_ONCE
    assert look(demo, viewer) == before, "as it was"
    approver.picture("rolled-back")


def test_a_boost_lifts_one_group_and_ends_by_itself(demo, editor, approver):
    viewer = demo.viewers[0]
    before = look(demo, viewer)
    ends = (datetime.now(UTC) + timedelta(seconds=60)).replace(microsecond=0)
    draft = _a_draft(editor)
    editor.go(f"policies/drafts/{draft}/tune/rules/dating/new/")
    editor.fill("Key", "over-35").fill("Name", "Over 35 first")
    _condition(editor, "On what", "age", "at_least", 35)
    editor.fill("Factor", "3").fill("Reason", "Shows a boost that ends by itself")
    _from_until(editor, datetime.now(UTC) - timedelta(minutes=5), ends)
    editor.picture("rule-form").press("Save in the draft")
    editor.sees("Over 35 first").picture("rules-of-the-draft")
    _publish(editor, approver, draft, "Lift those over 35 for a minute")
    lifted = look(demo, viewer)
    assert lifted != before
    editor.go("tune/rules/").sees("Over 35 first").picture("rule-live")
    wait_for(lambda: look(demo, viewer) == before, 90, "the boost ended by itself")
    assert datetime.now(UTC) >= ends, "not before its end"


def test_a_kill_switch_takes_a_rule_away_at_once_and_the_undo_brings_it_back(demo, editor, approver):
    viewer = demo.viewers[0]
    before = look(demo, viewer)
    draft = _a_draft(editor)
    editor.go(f"policies/drafts/{draft}/tune/rules/dating/new/")
    editor.fill("Key", "younger").fill("Name", "Younger first")
    _condition(editor, "On what", "age", "at_most", 30)
    editor.fill("Factor", "3").fill("Reason", "Shows a kill switch")
    _from_until(editor, datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(days=2))
    editor.press("Save in the draft")
    _publish(editor, approver, draft, "Lift those under 30")
    lifted = look(demo, viewer)
    assert lifted != before
    editor.go("tune/rules/").open("Switch off", within="Younger first")
    editor.page.locator('[aria-label="Younger first"] details[open] input[name=note]').fill("Too strong")
    editor.press("Switch off now", within="Younger first").picture("switched-off")
    _, took = wait_for(lambda: _always(demo, viewer, before), 10, "the rule is off")
    assert took < AT_ONCE, f"off after {took:.1f} s"
    editor.press("Undo the switch", within="Younger first")
    wait_for(lambda: _always(demo, viewer, lifted), 10, "the rule is back")


def test_a_cap_holds_over_every_list_that_is_served(demo, editor, approver):
    draft = _a_draft(editor)
    editor.go(f"policies/drafts/{draft}/dating/")
    editor.page.locator('input[type=number][name$="daily_cap"]').fill("2")
    editor.page.get_by_role("button", name="Save and review").click()
    editor.page.wait_for_load_state()
    _publish(editor, approver, draft, "Nobody is shown more than twice a day")
    shown: Counter[str] = Counter()
    for number in range(120):
        asked = {"surface": "dating", "member": f"sim1-{number:06d}", "limit": 10}
        answer = demo.ask("recommendations", **asked).json()  # those who may not look get a problem
        shown.update(item["id"] for item in answer.get("items", []))
    assert sum(shown.values()) > 50, "lists were served"
    assert max(shown.values()) <= 2
    approver.go("policies/").picture("cap")
    _roll_back(approver)


def test_a_stopped_member_is_gone_within_two_seconds_and_back_after_the_undo(demo, safety):
    viewer = demo.viewers[0]
    shown = look(demo, viewer)
    stopped = shown[0]
    safety.go("safety/").choose("What", "member").fill("Id", stopped)
    safety.page.locator('[aria-label="Stop somebody or a place"] input[name=note]').fill(
        "Three reports today"
    )
    safety.press("Stop", within="Stop somebody or a place")
    _, took = wait_for(lambda: _never(demo, viewer, stopped), 5, "the member is gone")
    assert took < AT_ONCE
    safety.sees("was stopped and is shown nowhere").picture("stopped")
    safety.page.locator("summary", has_text="Lift").first.click()
    safety.page.locator('[aria-label="Stopped now"] details[open] input[name=note]').fill(
        "It was somebody else"
    )
    safety.press("Lift the stop")
    wait_for(lambda: stopped in look(demo, viewer), 5, "the member is back")


def test_the_second_of_two_editors_sees_a_conflict_and_nothing_is_lost(demo, browser, editor):
    other = Staff(browser, demo, "editor").sign_in()
    draft = _a_draft(editor)
    for staff in (editor, other):
        staff.go(f"policies/drafts/{draft}/dating/")
    editor.page.locator('input[type=number][name$="diversity"]').fill("0.3")
    editor.press("Save")
    other.page.locator('input[type=number][name$="diversity"]').fill("0.9")
    other.press("Save")
    other.sees("Nothing of yours was saved").picture("conflict")
    editor.go(f"policies/drafts/{draft}/")
    editor.sees("0.3")
    editor.open("Discard").press("Discard the draft")


def test_why_not_says_the_stage_and_the_smallest_change(demo, editor):
    viewer = demo.viewers[0]
    shown = look(demo, viewer, limit=1)[0]
    editor.go("inspect/why-not/").choose("Surface", "dating")
    editor.fill("Viewer's id", viewer).fill("Candidate's id", shown).fill("Why do you look?", "A question")
    editor.press("Ask").picture("why-shown")
    editor.sees("Shown")
    names = (f"sim1-{number:06d}" for number in range(100))
    asked = {"surface": "dating", "viewer": viewer}
    told = ((name, demo.get("explain", **asked, candidate=name)) for name in names)
    elsewhere = next(name for name, answer in told if answer["code"] == "other_market")  # and no secret
    homes = [demo.get(f"members/{one}")["home"]["market"] for one in (viewer, elsewhere)]
    assert homes[0] != homes[1]
    editor.fill("Candidate's id", elsewhere).press("Ask").sees("market").picture("why-not")


def test_a_staged_rollout_starts_small_and_is_turned_back(demo, editor, approver):
    stable = _latest(approver)
    draft = _a_draft(editor)
    editor.go(f"policies/drafts/{draft}/dating/")
    editor.page.locator('input[type=number][name$="diversity"]').fill("0.5")
    editor.page.get_by_role("button", name="Save and review").click()
    editor.page.wait_for_load_state()
    editor.press("Measure", within="Reach").press("Ask for approval")
    approver.go(f"policies/drafts/{draft}/").open("Publish")
    approver.page.get_by_label("In stages", exact=False).check()
    approver.fill("What does this change, and why?", "More variety, carefully")
    approver.page.locator("details[open] button[type=submit]").last.click()
    approver.page.wait_for_load_state()
    approver.go("releases/").sees("goes to 1% of viewers").picture("rollout")
    approver.open("Next stage").press("Go on")
    approver.go("releases/").sees("goes to 10% of viewers")
    approver.open("Turn back")
    approver.page.locator("details[open] input[name=note]").fill("Enough seen")
    approver.page.locator("details[open] button[type=submit]").click()
    approver.page.wait_for_load_state()
    approver.go("releases/")
    assert "of viewers" not in approver.page.locator("h2").first.inner_text()
    assert _latest(approver) == stable


def test_the_aa_experiment_and_a_real_effect_have_their_pages(demo, editor, approver):
    editor.go("experiments/aa-check/").picture("experiment-aa")
    editor.sees("One member's treatment touches others here: this number can be off by several times")
    draft = _a_draft(editor)
    editor.go(f"policies/drafts/{draft}/tune/experiments/dating/new/")
    editor.fill("Key", "short-lists").fill("Name", "Short lists").choose("Surface", "dating")
    editor.fill("Hypothesis", "Four people at a time are enough: nobody likes fewer for it.")
    editor.choose("Primary metric", "likes_given").fill("Layer", "order").fill("Salt", "short-lists")
    _treatment(editor, "short", "Short lists", {f"quotas.{source}": most for source, most in SHORT.items()})
    editor.fill("Reason", "Shows that a real effect is found")
    _from_until(editor, datetime.now(UTC) - timedelta(minutes=1), datetime.now(UTC) + timedelta(days=14))
    editor.picture("experiment-form").press("Save in the draft")
    _publish(editor, approver, draft, "Half of the members with short lists")
    demo.manage("traffic", "--visits", "600", "--seed", "11")
    wait_for(lambda: _leaves_out_zero(_intervals(editor)), 150, "the interval leaves out zero")
    editor.picture("experiment-effect")


def test_the_first_login_sets_up_two_factor_and_the_next_one_asks_for_it(demo, browser):
    children = Children(demo.folder / "log")
    port = free_port()
    env = demo.env | {"TWO_FACTOR": "1", "RAYA_RECS_PROCESS": "admin"}
    command = serving(port, "--static", str(demo.folder / "static"))
    children.start("admin-2fa", command, env=env, cwd=ROOT, seconds=30)
    try:
        wait_for(lambda: _answers(port), 30, "the admin with two-factor login answers")
        staff = Staff(browser, demo, "viewer", admin=f"http://127.0.0.1:{port}").sign_in()
        staff.sees("Set up two-factor login").picture("two-factor-set-up")
        secret = base64.b32decode(staff.page.locator(".rc-secret").inner_text().replace(" ", ""))
        staff.fill("Code", f"{totp(secret):06d}").press("Turn on")
        staff.sees("Recovery codes").picture("recovery-codes")
        codes = staff.page.locator(".rc-codes code").all_inner_texts()
        staff.follow("I kept them, go on").sees("Today")
        again = Staff(browser, demo, "viewer", admin=f"http://127.0.0.1:{port}").sign_in()
        again.sees("Enter the six digits").picture("two-factor-login")
        again.fill("Code", "000000").press("Go on").sees("This code is not right")
        again.fill("Code", codes[0]).press("Go on").sees("Today")
    finally:
        children.stop_all()


def test_every_picture_of_the_guide_is_taken_here_and_lies_beside_it():
    taken = set(re.findall(r'picture\("([\w-]+)"\)', Path(__file__).read_text()))
    assert of_the_guide() <= taken
    assert {path.stem for path in (ROOT / "docs" / "pictures").glob("*.png")} == of_the_guide()


def _a_draft(editor: Staff) -> int:
    """A new draft that says what is live."""
    editor.go("policies/")
    another = editor.page.get_by_role("button", name="Start another")
    (another if another.count() else editor.page.get_by_role("button", name="Edit")).first.click()
    editor.page.wait_for_load_state()
    return editor.draft_number()


def _publish(editor: Staff, approver: Staff, draft: int, note: str) -> int:
    """Asked for by one, published by another, and served by every process."""
    editor.go(f"policies/drafts/{draft}/").press("Measure", within="Reach").press("Ask for approval")
    approver.go(f"policies/drafts/{draft}/").open("Publish").fill("What does this change, and why?", note)
    approver.page.locator("details[open] button[type=submit]").last.click()
    approver.page.wait_for_load_state()
    release = _latest(approver)
    wait_for_release(approver.demo, release)
    return release


def _roll_back(approver: Staff) -> None:
    """To the release before the live one."""
    now = _latest(approver)
    approver.go(f"releases/{now - 1}/").open(f"Make release {now - 1} live").press("Yes, now")
    wait_for_release(approver.demo, now - 1)


def _latest(staff: Staff) -> int:
    staff.go("policies/")
    return int(
        re.findall(r"Release (\d+)", staff.page.locator("h2", has_text="Release").first.inner_text())[0]
    )


def _condition(editor: Staff, section: str, attribute: str, operator: str, value: int) -> None:
    """Builds a condition with the fields of the form, and waits until it says whom it fits."""
    home = editor.page.locator(f'[aria-label="{section}"]')
    home.get_by_role("button", name="Add a condition").click()
    home.get_by_label("Attribute", exact=True).select_option(attribute)
    home.get_by_label("Operator", exact=True).select_option(operator)
    home.get_by_label("Value", exact=True).fill(str(value))
    home.get_by_text(re.compile(r"\d+ of \d+")).first.wait_for()


def _treatment(editor: Staff, key: str, name: str, overrides: dict[str, float]) -> None:
    """Fills in the second variant; the first stays the control."""
    editor.page.locator('[name="variants.1.key"]').fill(key)
    editor.page.locator('[name="variants.1.name"]').fill(name)
    for knob, value in overrides.items():
        editor.press("Add a knob")
        editor.page.locator(".rc-turn select").last.select_option(knob)
        editor.page.locator(".rc-turn input").last.fill(str(value))


def _from_until(editor: Staff, starts: datetime, ends: datetime) -> None:
    for name, at in (("starts_at", starts), ("ends_at", ends)):
        editor.page.locator(f"input[name={name}]").fill(f"{at:%Y-%m-%dT%H:%M:%S}")


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/admin/login/", timeout=5).ok
    except requests.ConnectionError:
        return False


def _always(demo: Demo, viewer: str, expected: list[str]) -> bool:
    return all(look(demo, viewer) == expected for _ in range(6))


def _never(demo: Demo, viewer: str, member: str) -> bool:
    return all(member not in look(demo, viewer) for _ in range(6))


def _leaves_out_zero(intervals: list[tuple[float, float]]) -> bool:
    return bool(intervals) and (intervals[0][1] < 0 or intervals[0][0] > 0)


def _intervals(editor: Staff) -> list[tuple[float, float]]:
    """The confidence intervals that the page of the experiment prints."""
    editor.go("experiments/short-lists/")
    text = editor.page.locator("body").inner_text()
    found = re.findall(r"(-?\d+\.\d+)\s*(?:to|–|…)\s*(-?\d+\.\d+)", text)
    return [(float(low), float(high)) for low, high in found]
