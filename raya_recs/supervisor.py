"""Runs programs as one: started in order, each waited for, restarted when they end, stopped in reverse.

Takes `Program`s; gives running processes whose output is in `folder/log/NAME.log`, and all of it together,
each line with its program's name, in `folder/log/all.log`. SIGINT, SIGTERM and SIGHUP ask it to stop.
What happens when this process itself is killed is the guard's business (see processes.py).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from raya_recs.processes import Child, Children, ProcessError, StopAskedError

TICK_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 30.0


class StopRequest:
    """Remembers the first signal that asks us to stop; waiting loops ask it."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [signal.signal(number, self._remember) for number in watched]
        try:
            yield
        finally:
            for number, handler in zip(watched, before, strict=True):
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how to know that it works."""

    name: str
    command: Sequence[str | os.PathLike[str]]
    env: Mapping[str, str]
    is_ready: Callable[[Child], bool]
    ready_seconds: float = 300.0
    stop_seconds: float = 20.0


class Supervisor:
    """Owns the children of one folder from the first start to the last stop."""

    def __init__(self, folder: Path, say: Callable[[str], object]) -> None:
        self.say = say
        self.stop_request = StopRequest()
        self.children = Children(folder, self.stop_request)
        self._follower = LogFollower(self.children.log_folder)
        self._restart: dict[str, Callable[[], object]] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def start(self, *programs: Program) -> None:
        """Start these side by side, then wait for each: they need those before, not one another."""
        started = [(program, self._launch(program)) for program in programs]
        for program, child in started:
            self._wait_for(program, child)
            self._restart[program.name] = partial(self._start_again, program)

    def run(self, name: str, command: Sequence[str | os.PathLike[str]], env: Mapping[str, str]) -> None:
        """Run to its end, on the terminal; failure is an error."""
        child = self.children.start(name, command, env=env, on_terminal=True)
        try:
            while not child.ended:
                if self.stop_request():
                    raise StopAskedError
                time.sleep(0.05)
        finally:
            self.children.stop(child)
        if child.process.returncode:
            raise ProcessError(f"{name} failed; its message is above")

    def restart_with(self, name: str, restart: Callable[[], object]) -> None:
        """For a child that somebody else started among our children."""
        self._restart[name] = restart

    def watch(self) -> None:
        """Until asked to stop: bring back what ended, gather the logs."""
        while not self.stop_request():
            for child in [child for child in self.children.running if child.ended]:
                self._bring_back(child)
            self._follower.gather()
            time.sleep(TICK_SECONDS)

    def stop(self) -> None:
        for child in reversed(list(self.children.running)):
            self.say(f"Stopping {child.name}")
            self.children.stop(child)
        self.children.stop_all()
        self._follower.gather()

    def _launch(self, program: Program) -> Child:
        self.say(f"Starting {program.name}")
        return self.children.start(
            program.name, program.command, env=program.env, seconds=program.stop_seconds
        )

    def _wait_for(self, program: Program, child: Child) -> None:
        child.wait_until(lambda: program.is_ready(child), program.ready_seconds)

    def _start_again(self, program: Program) -> None:
        ended = next((child for child in self.children.running if child.name == program.name), None)
        if ended:
            self.children.stop(ended)
        self._wait_for(program, self._launch(program))

    def _bring_back(self, child: Child) -> None:
        """Once at once, then with growing pauses, so that a broken program does not eat the machine."""
        name = child.name
        if time.monotonic() < self._not_before.get(name, 0.0):
            return
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        self._not_before[name] = time.monotonic() + min(2.0**failures, LONGEST_PAUSE_SECONDS)
        self.say(f"{name} ended with {child.process.returncode}: starting it again\n{child.last_lines(5)}")
        try:
            self._restart[name]()
        except ProcessError as error:
            if all(running.name != name for running in self.children.running):
                raise  # nothing is left to try again with
            self.say(str(error))
        except StopAskedError:
            return


class LogFollower:
    """Copies new whole lines of every log into all.log, with the program's name before each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.together = folder / "all.log"
        self.together.unlink(missing_ok=True)
        self._read = {path: path.stat().st_size for path in folder.glob("*.log")}

    def gather(self) -> None:
        with self.together.open("ab") as together:
            for path in sorted(self.folder.glob("*.log")):
                if path != self.together:
                    for line in self._new_lines(path):
                        together.write(f"{path.stem:8} | ".encode() + line)

    def _new_lines(self, path: Path) -> list[bytes]:
        start = self._read.get(path, 0)
        if path.stat().st_size < start:  # a fresh log took its place
            start = 0
        with path.open("rb") as log:
            log.seek(start)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read[path] = start + len(whole)
        return whole.splitlines(keepends=True)
