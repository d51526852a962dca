"""Child processes that never outlive their parent.

`Children(folder)` locks the folder, ends what an earlier run left behind, and starts a guard (guard.py) that
stops every child in reverse order when this process dies without doing so itself. A child has its own process
group, a pid file under `folder/run`, a log under `folder/log`. It restarts nothing: its owner decides.
"""

import contextlib
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

GUARD = Path(__file__).with_name("guard.py")
LOG_KEPT_BYTES = 10 * 1024 * 1024
TAKE_OVER_SECONDS = 60.0


class ProcessError(RuntimeError):
    """A child could not be started, did not become ready, or another run holds the folder."""


class StopAskedError(Exception):
    """A signal asked this process to stop while it waited for a child."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serving(port: int, *options: str) -> list[str]:
    """The command of a web server. It finds the project by where it is started, or by PYTHONPATH."""
    return [sys.executable, "-m", "raya_recs.serve", "--port", str(port), *options]


def port_is_taken(port: int) -> bool:
    """Ask as a server would: with SO_REUSEADDR, so that a closed server's last connections don't count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def is_running(pid: int) -> bool:
    """A zombie has ended: only its parent has not asked yet."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Child:
    """One running process with its group, log and way to stop."""

    def __init__(
        self,
        name: str,
        process: "subprocess.Popen[bytes]",
        *,
        log: Path,
        log_start: int,
        stop_signal: int,
        seconds: float,
        stop_asked: Callable[[], bool],
    ) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.log_start = log_start
        self.stop_signal = stop_signal
        self.seconds = seconds
        self.stop_asked = stop_asked

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def output(self) -> str:
        """What this process wrote, without what earlier ones of its name did."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 15) -> str:
        return "\n".join(f"{self.name} | {line}" for line in self.output().splitlines()[-count:])

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if self.stop_asked():
                raise StopAskedError
            if self.ended:
                raise ProcessError(f"{self.name} ended with {self.process.returncode}\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} was not ready after {seconds:.0f} s\n{self.last_lines()}")
            time.sleep(0.05)

    def stop(self, with_signal: int | None = None) -> None:
        """Ask the main process, wait, then end whatever is left of its group."""
        if not self.ended:
            self.process.send_signal(self.stop_signal if with_signal is None else with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class Children:
    """The children of this process in one folder, and the guard that outlives it for them."""

    def __init__(self, folder: Path, stop_asked: Callable[[], bool] = lambda: False) -> None:
        self.stop_asked = stop_asked
        self.run_folder = folder / "run"
        self.log_folder = folder / "log"
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self.running: list[Child] = []
        self._lock = _take_lock(self.run_folder / "lock")
        self._end_leftovers()
        # The guard shares the lock: the next run waits until it has stopped what this one could not.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(os.getpid())],
            stdin=subprocess.PIPE,
            pass_fds=[self._lock],
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def start(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_signal: int = signal.SIGTERM,
        seconds: float = 10.0,
        on_terminal: bool = False,
    ) -> Child:
        log = self.log_folder / f"{name}.log"
        if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            log_start = output.tell()
            process = subprocess.Popen(
                command,
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=None if on_terminal else output,
                stderr=None if on_terminal else subprocess.STDOUT,
                start_new_session=True,
                **as_user(user),
            )
        child = Child(
            name,
            process,
            log=log,
            log_start=log_start,
            stop_signal=stop_signal,
            seconds=seconds,
            stop_asked=self.stop_asked,
        )
        self._tell_guard(f"+ {child.pid} {int(stop_signal)} {seconds}")
        self._write_pid_file(child)
        self.running.append(child)
        return child

    def stop(self, child: Child, with_signal: int | None = None) -> None:
        child.stop(with_signal)
        self._tell_guard(f"- {child.pid}")
        self._pid_file(child.name).unlink(missing_ok=True)
        self.running.remove(child)

    def stop_all(self) -> None:
        """In reverse order of start; then the guard, which has nothing left to do."""
        for child in reversed(list(self.running)):
            self.stop(child)
        if self._lock >= 0:
            self._guard.communicate()
            os.close(self._lock)
            self._lock = -1

    def _tell_guard(self, line: str) -> None:
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # a killed guard is made good by the pid files
            self._guard.stdin.write(line.encode() + b"\n")
            self._guard.stdin.flush()

    def _pid_file(self, name: str) -> Path:
        return self.run_folder / f"{name}.pid"

    def _write_pid_file(self, child: Child) -> None:
        """The time of birth tells this process from a later one with the same number."""
        with contextlib.suppress(psutil.NoSuchProcess):
            born = psutil.Process(child.pid).create_time()
            self._pid_file(child.name).write_text(f"{child.pid} {born} {int(child.stop_signal)}\n")

    def _end_leftovers(self) -> None:
        for path in sorted(self.run_folder.glob("*.pid")):
            with contextlib.suppress(ValueError, psutil.NoSuchProcess):
                pid, born, stop_signal = path.read_text().split()
                process = psutil.Process(int(pid))
                if abs(process.create_time() - float(born)) < 1:
                    _end_process(process, int(stop_signal))
            path.unlink(missing_ok=True)


def as_user(name: str | None) -> dict[str, Any]:
    """Popen's arguments that run a child as another user; nothing for None."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _end_process(process: psutil.Process, stop_signal: int) -> None:
    family = [process, *process.children(recursive=True)]
    process.send_signal(stop_signal)
    _, alive = psutil.wait_procs(family, timeout=10)
    for left in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    psutil.wait_procs(alive, timeout=5)


def _take_lock(path: Path) -> int:
    """Hold the folder. A lock whose owner is dead is held by its guard for a few seconds: wait for it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            owner = path.read_text().strip()
            if (owner.isdigit() and is_running(int(owner))) or time.monotonic() > deadline:
                os.close(handle)
                raise ProcessError(f"process {owner} already uses {path.parent.parent}") from None
            time.sleep(0.1)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle
