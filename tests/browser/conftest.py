"""A browser, and the demo itself to drive it against: real Postgres, Valkey, web servers, worker and beat.

The demo has a folder and servers of its own, so what staff and members do in it is committed for real.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# A browser comes with the machine, not from the package index: `.ci/run` installs it, or says that these
# tests are skipped.
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)"),
]
SCREENS = ROOT / "var" / "screens"
WIDTHS = {"desktop": (1440, 1000), "phone": (390, 844)}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MEMBERS, PLACES, DAYS = 600, 120, 8


@dataclass(frozen=True)
class Demo:
    """Where the demo's web servers are, and who may use them."""

    api: str
    admin: str
    logins: dict[str, str]
    service_key: str
    viewers: list[str]
    env: dict[str, str]
    folder: Path

    def get(self, path: str, **params: Any) -> Any:
        """What the API answers as JSON; fails on any other status than 200."""
        answer = self.ask(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, path: str, **params: Any) -> requests.Response:
        headers = {"Authorization": f"Api-Key {self.service_key}"}
        return requests.get(f"{self.api}/api/v1/{path}", params=params, headers=headers, timeout=10)

    def manage(self, *command: str) -> str:
        """Runs a management command against the demo's stores."""
        full = [sys.executable, str(ROOT / "manage.py"), *command]
        return subprocess.run(full, env=self.env, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
        "1"  # Playwright runs a loop in this thread; the rows are ours alone
    )
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield chromium
            chromium.close()
    finally:
        os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="raya_recs-demo-"))
    folder.chmod(0o711)
    env = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "TEST_VAR_DIR")}
    env |= {"VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "raya_recs.settings.local"}
    numbers = ["--members", str(MEMBERS), "--places", str(PLACES), "--days", str(DAYS)]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "demo", *numbers],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield _demo_of(process, env, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _demo_of(process: subprocess.Popen[str], env: dict[str, str], folder: Path) -> Demo:
    api, admin = _addresses(process)
    access = json.loads((folder / "demo.json").read_text())
    stores = dict(line.split("=", 1) for line in (folder / "demo.env").read_text().splitlines())
    return Demo(
        api=api, admin=admin, logins=access["logins"], service_key=access["service_key"],
        viewers=access["viewers"], env=env | stores, folder=folder,
    )  # fmt: skip


def _addresses(process: subprocess.Popen[str]) -> tuple[str, str]:
    """From what the demo prints once it is ready."""
    said, found = [], {}
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        for label, name in (("Admin ", "admin"), ("API docs ", "api")):
            if line.strip().startswith(label):
                found[name] = re.sub(r"(http://[^/]+)/.*", r"\1", line.split()[-1])
        if len(found) == 2:
            # Whoever keeps a pipe must empty it, or the demo stops at its next word.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return found["api"], found["admin"]
    raise AssertionError("".join(said))
