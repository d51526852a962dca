"""The demo as a newcomer runs it: one command, from nothing, in a small market."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from raya_recs.env import BASE_DIR
from raya_recs.processes import free_port, is_running

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SMALL = ["--members", "400", "--places", "60", "--days", "10"]
FROM_ELSEWHERE = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}


class Demo:
    """One run of `manage.py demo`, read line by line."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        env = {name: value for name, value in os.environ.items() if name not in FROM_ELSEWHERE}
        ports = ["--api-port", str(free_port()), "--admin-port", str(free_port())]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *SMALL, *ports, *arguments],
            cwd=BASE_DIR,
            env=env | {"VAR_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def read_until(self, words: str) -> None:
        assert self.process.stdout is not None
        while words not in self.said:
            line = self.process.stdout.readline()
            assert line, f"ended before it said {words!r}:\n{self.said}"
            self.said += line

    def read_all(self) -> int:
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        return self.process.wait(60)

    def family(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Shared by the tests below in their order: each run finds the data of the one before."""
    folder = tmp_path_factory.mktemp("demo")
    yield folder
    link = folder / "postgres"
    if link.is_symlink():
        subprocess.run(["rm", "-rf", str(link.readlink().parent)], check=True)


@pytest.fixture
def start(folder: Path) -> Iterator[type[Demo]]:
    """Starts a demo, and stops it when the test did not."""
    runs: list[Demo] = []

    class Started(Demo):
        def __init__(self, *arguments: str) -> None:
            super().__init__(folder, *arguments)
            runs.append(self)

    yield Started
    for demo in runs:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(120)


def test_first_run_prints_addresses_that_answer_and_ctrl_c_stops_everything(start: type[Demo]) -> None:
    demo = start()
    demo.read_until("curl -H")
    admin, docs = re.findall(r"(?:Admin|API docs) +(\S+)", demo.said)
    for address in (admin, docs):
        with urllib.request.urlopen(address, timeout=20) as page:
            assert page.status == 200
    header, address = re.findall(r"curl -H '([^']+)' '([^']+)'", demo.said)[0]
    request = urllib.request.Request(address, headers=dict([header.split(": ", 1)]))
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer)["items"]
    assert "editor / " in demo.said
    assert "approver / " in demo.said
    family = demo.family()
    demo.process.send_signal(signal.SIGINT)
    assert demo.read_all() == 0, demo.said
    assert [pid for pid in family if is_running(pid)] == []
    stopped = re.findall(r"Stopping (\w+)", demo.said)
    assert stopped == ["beat", "worker", "admin", "api", "valkey", "postgres"]


def test_second_run_keeps_the_data_and_prints_one_list_per_surface(start: type[Demo]) -> None:
    demo = start("--once")
    assert demo.read_all() == 0, demo.said
    assert "Simulating" not in demo.said
    for surface in ("dating", "networking", "travel"):
        assert re.search(rf"^{surface} for .*\n +1 ", demo.said, re.MULTILINE), demo.said


def test_kill_leaves_nothing_running_and_the_next_run_recovers(start: type[Demo]) -> None:
    demo = start()
    demo.read_until("curl -H")
    family = demo.family()
    assert len(family) > 10, "Postgres's, granian's and Celery's own children are among them"
    demo.process.kill()
    deadline = time.monotonic() + 60
    while [pid for pid in family if is_running(pid)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in family if is_running(pid)] == []
    assert start("--once").read_all() == 0


def test_one_store_alone_is_refused(start: type[Demo], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.FROM_ELSEWHERE", {"REDIS_URL", "DJANGO_SETTINGS_MODULE"})
    demo = start("--once")
    assert demo.read_all() == 1
    assert "only DATABASE_URL is set" in demo.said
