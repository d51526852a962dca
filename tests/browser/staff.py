"""Somebody at work in the console: signs in, presses, fills in, and keeps a picture of each step."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.browser.conftest import ROOT, SCREENS, WIDTHS, Demo

T = TypeVar("T")
GUIDE = ROOT / "docs" / "admin-guide.md"
TALLEST = 1700  # of a picture of the guide, in pixels: a reader sees it at one glance
PICTURES = os.environ.get("GUIDE_PICTURES", "")  # a folder: the guide's pictures are taken anew


def of_the_guide() -> set[str]:
    """The names of the pictures that the guide shows."""
    return set(re.findall(r"\(pictures/([\w-]+)\.png\)", GUIDE.read_text()))


class Staff:
    """One person with a browser of their own. `picture` keeps what they see, in the order of the day."""

    steps = 0

    def __init__(self, browser: Any, demo: Demo, role: str, *, admin: str = "") -> None:
        self.role, self.password, self.demo = role, demo.logins[role], demo
        self.admin = admin or demo.admin
        width, height = WIDTHS["desktop"]
        self.context = browser.new_context(viewport={"width": width, "height": height}, timezone_id="UTC")
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)

    def sign_in(self) -> Staff:
        self.page.goto(f"{self.admin}/admin/login/")
        self.page.get_by_label("Username").fill(self.role)
        self.page.get_by_label("Password").fill(self.password)
        self.page.get_by_role("button", name=re.compile("log in", re.I)).click()
        self.page.wait_for_load_state()
        return self

    def go(self, path: str) -> Staff:
        answer = self.page.goto(f"{self.admin}/admin/{path}")
        assert answer.status == 200, f"{path} answered {answer.status}"
        return self

    def fill(self, label: str, value: Any, *, exact: bool = True) -> Staff:
        self.page.get_by_label(label, exact=exact).first.fill(str(value))
        return self

    def choose(self, label: str, value: str) -> Staff:
        self.page.get_by_label(label, exact=True).first.select_option(value)
        return self

    def press(self, name: str, *, within: str = "") -> Staff:
        """A button by its words; `within` the region or article of that name."""
        self._home(within).get_by_role("button", name=name, exact=True).first.click()
        self.page.wait_for_load_state()
        return self

    def follow(self, name: str) -> Staff:
        self.page.get_by_role("link", name=name, exact=True).first.click()
        self.page.wait_for_load_state()
        return self

    def open(self, summary: str, *, within: str = "") -> Staff:
        self._home(within).locator("summary", has_text=re.compile(f"^{summary}")).first.click()
        return self

    def sees(self, text: str) -> Staff:
        body = self.page.locator("#main, body").first.inner_text()
        assert text in body, f"{text!r} is not on {self.page.url}:\n{body[:3000]}"
        return self

    def picture(self, name: str) -> Staff:
        Staff.steps += 1
        SCREENS.mkdir(parents=True, exist_ok=True)
        kept = SCREENS / f"journey-{Staff.steps:02d}-{name}.png"
        self.page.evaluate("window.scrollTo(0, 0)")  # what sticks to the edge stands where it belongs
        self.page.screenshot(path=str(kept), full_page=True)
        if PICTURES and name in of_the_guide():
            self._as_in_a_tall_window(Path(PICTURES) / f"{name}.png")
        return self

    def _as_in_a_tall_window(self, path: Path) -> None:
        """The page down to `TALLEST`, in a window of that height: what sticks to its edges hides nothing."""
        size = self.page.viewport_size
        whole = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({**size, "height": min(max(whole, size["height"]), TALLEST)})
        self.page.screenshot(path=str(path))
        self.page.set_viewport_size(size)

    def draft_number(self) -> int:
        found = re.search(r"/drafts/(\d+)/", self.page.url)
        assert found, self.page.url
        return int(found[1])

    def _home(self, within: str) -> Any:
        return self.page.locator(f'[aria-label="{within}"]').first if within else self.page


def wait_for(what: Callable[[], T | None], seconds: float, sentence: str) -> tuple[T, float]:
    """The first thing that is there, and the seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if found := what():
            return found, time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError(f"after {seconds} s: {sentence}")
