"""A day of product staff in a real browser against the running demo; each step keeps a picture."""

from __future__ import annotations

import pytest

from tests.browser.conftest import CHROMIUM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)"),
]


def test_demo_answers(demo, browser):
    assert demo.get("recommendations", surface="dating", member=demo.viewers[0], limit=10)["items"]
    page = browser.new_page()
    assert page.goto(f"{demo.admin}/admin/").status == 200
