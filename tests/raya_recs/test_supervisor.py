"""The supervisor with small programs that write down what happens to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from raya_recs.env import BASE_DIR
from raya_recs.processes import ProcessError, is_running
from raya_recs.supervisor import LogFollower, Program, Supervisor

pytestmark = pytest.mark.faults

# Writes its name at start and stop into the diary, and has a child of its own.
DIARIST = """
import signal, subprocess, sys, time
name, diary = sys.argv[1], open(sys.argv[2], "a", buffering=1)
def stop(*_):
    diary.write(f"-{name}\\n"); sys.exit()
signal.signal(signal.SIGTERM, stop)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
time.sleep(0.2)
diary.write(f"+{name}\\n")
print("ready", flush=True)
while True: time.sleep(0.1)
"""

SUPERVISED = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from tests.raya_recs.test_supervisor import diarist
from raya_recs.supervisor import Supervisor
supervisor = Supervisor(Path(sys.argv[1]), print)
with supervisor.stop_request.listening():
    for name in ("stores", "web", "beat"):
        supervisor.start(diarist(Path(sys.argv[1]), name))
    print("up", flush=True)
    supervisor.watch()
    supervisor.stop()
"""


def diarist(folder: Path, name: str) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-c", DIARIST, name, str(folder / "diary")],
        env=dict(os.environ),
        is_ready=lambda child: "ready" in child.output(),
    )


def diary(folder: Path) -> str:
    return (folder / "diary").read_text().replace("\n", " ").strip()


def eventually(true: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A supervisor of three programs in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISED, str(tmp_path)], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while process.stdout.readline() != "up\n":
        assert process.poll() is None
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path, lambda line: None)
    yield supervisor
    supervisor.stop()


@pytest.mark.parametrize("asked_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_programs_in_reverse_order(
    supervised: "subprocess.Popen[str]", tmp_path: Path, asked_by: int
) -> None:
    family = psutil.Process(supervised.pid).children(recursive=True)
    supervised.send_signal(asked_by)
    assert supervised.wait(20) == 0
    assert diary(tmp_path) == "+stores +web +beat -beat -web -stores"
    assert not any(is_running(process.pid) for process in family)
    assert not list((tmp_path / "run").glob("*.pid"))


def test_kill_of_the_supervisor_leaves_nothing_running(
    supervised: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    family = psutil.Process(supervised.pid).children(recursive=True)
    assert len(family) == 7, "a guard, three programs, a child of each"
    supervised.kill()
    assert eventually(lambda: not any(is_running(process.pid) for process in family))
    assert diary(tmp_path) == "+stores +web +beat -beat -web -stores"


def test_after_a_kill_the_next_run_takes_over(supervised: "subprocess.Popen[str]", tmp_path: Path) -> None:
    supervised.kill()
    supervised.wait()
    following = Supervisor(tmp_path, lambda line: None)
    following.start(diarist(tmp_path, "again"))
    following.stop()
    assert diary(tmp_path) == "+stores +web +beat -beat -web -stores +again -again"


def test_a_program_that_ends_is_started_again(supervised: "subprocess.Popen[str]", tmp_path: Path) -> None:
    first = int((tmp_path / "run" / "web.pid").read_text().split()[0])
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: diary(tmp_path) == "+stores +web +beat +web")
    assert int((tmp_path / "run" / "web.pid").read_text().split()[0]) != first


def test_programs_side_by_side_are_all_awaited(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(diarist(tmp_path, "first"))
    supervisor.start(*(diarist(tmp_path, name) for name in ("left", "right")))
    assert diary(tmp_path).split()[0] == "+first"
    assert sorted(diary(tmp_path).split()[1:]) == ["+left", "+right"]


def test_a_program_that_ends_at_once_is_an_error_that_shows_its_words(supervisor: Supervisor) -> None:
    broken = Program(
        name="broken",
        command=[sys.executable, "-c", "import sys; sys.exit('no such table')"],
        env={},
        is_ready=lambda child: False,
    )
    with pytest.raises(ProcessError, match=r"broken ended with 1\nbroken \| no such table"):
        supervisor.start(broken)


def test_a_program_that_ignores_its_stop_is_killed(supervisor: Supervisor) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    )
    program = Program(
        name="stubborn",
        command=[sys.executable, "-c", f"{stubborn}; time.sleep(60)"],
        env={},
        is_ready=lambda child: "ready" in child.output(),
        stop_seconds=0.5,
    )
    supervisor.start(program)
    pid = supervisor.children.running[0].pid
    supervisor.stop()
    assert not is_running(pid)


def test_all_log_names_the_program_of_each_whole_line(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("before\n")
    follower = LogFollower(tmp_path)
    with (tmp_path / "web.log").open("a") as log:
        log.write("one\nhal")
    follower.gather()
    with (tmp_path / "web.log").open("a") as log:
        log.write("f\n")
    (tmp_path / "beat.log").write_text("tick\n")
    follower.gather()
    assert (tmp_path / "all.log").read_text() == "web      | one\nbeat     | tick\nweb      | half\n"
