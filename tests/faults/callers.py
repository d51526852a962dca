"""Callers who cost next to nothing: a process of its own, one thread, many sockets, prepared bytes.

    python callers.py PORT SECONDS < {"path": ..., "viewers": [...], "keys": [...], "lines": N} > answers

So many `lines` call again as soon as they are answered. With "rate" calls are due at random moments, so many
a second however the site fares, on whichever line is free. Keys call in turn; whoever was refused is the next
of their key to call, with the same request id. Gives a line of JSON for each call: [key, viewer, asked at
(time.monotonic), seconds, status, what a 200 said]; status 0: no answer came. It is parsed when all is over.
Imports nothing of the project.
"""

import itertools
import json
import random
import select
import socket
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any

PATIENCE = 10.0  # seconds
Request = tuple[int, str, bytes]  # which of the keys, the viewer, what is sent


class Callers:
    def __init__(self, port: int, work: dict[str, Any]) -> None:
        self._address = "127.0.0.1", port
        self._refused = [deque[Request]() for _ in work["keys"]]
        self._new = [requests(work, key) for key in range(len(work["keys"]))]
        self._turn = itertools.cycle(range(len(work["keys"])))
        self._most = work["lines"]
        self._lines: dict[int, socket.socket] = {}
        self._free: deque[int] = deque()
        self._heard: dict[int, bytes] = {}  # on lines that wait for an answer
        self._poll = select.epoll()
        self.asking: dict[int, tuple[Request, float]] = {}
        self.answers: list[tuple[Request, float, float, bytes]] = []

    def may_call(self) -> bool:
        return len(self.asking) < self._most

    def call(self) -> None:
        key = next(self._turn)
        request = self._refused[key].popleft() if self._refused[key] else next(self._new[key])
        line = self._free.popleft() if self._free else self._open()
        self.asking[line], self._heard[line] = (request, time.monotonic()), b""
        self._lines[line].sendall(request[2])

    def listen(self, seconds: float) -> None:
        """Returns with the next answers, or when the time is over."""
        for line, _ in self._poll.poll(max(seconds, 0.0)):
            try:
                part = self._lines[line].recv(65536)
            except OSError:
                part = b""
            if not part:
                self._hang_up(line)
                continue
            self._heard[line] += part
            if is_whole(self._heard[line]):
                self._note(line, self._heard[line])
                self._free.append(line)

    def _note(self, line: int, answer: bytes) -> None:
        request, asked_at = self.asking.pop(line)
        self.answers.append((request, asked_at, time.monotonic() - asked_at, answer))
        if status_of(answer) != 200:
            self._refused[request[0]].append(request)

    def hang_up(self) -> None:
        for line in list(self._lines):
            self._hang_up(line)

    def _hang_up(self, line: int) -> None:
        self._lines.pop(line).close()
        if line in self.asking:
            self._note(line, b"")
        else:
            self._free.remove(line)

    def _open(self) -> int:
        line = socket.create_connection(self._address)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(line, select.EPOLLIN)
        self._lines[line.fileno()] = line
        return line.fileno()


def requests(work: dict[str, Any], key: int) -> Iterator[Request]:
    headers = f"Host: localhost\r\nAuthorization: Api-Key {work['keys'][key]}\r\n"
    while True:
        viewer = random.choice(work["viewers"])
        path = f"{work['path']}&member={viewer}&request_id={uuid.uuid4()}"
        yield key, viewer, f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode()


def is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = length_of(head)
    return body.endswith(b"0\r\n\r\n") if length is None else len(body) >= length


def length_of(head: bytes) -> int | None:
    """None: the body comes in chunks."""
    said = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return int(said) if said else None


def status_of(answer: bytes) -> int:
    return int(answer[9:12] or 0)


def body_of(answer: bytes) -> bytes:
    head, _, rest = answer.partition(b"\r\n\r\n")
    if length_of(head) is not None:
        return rest
    body = b""
    while rest:
        said, _, rest = rest.partition(b"\r\n")
        size = int(said, 16)
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


def call_again_at_once(callers: Callers, end: float) -> None:
    while time.monotonic() < end:
        while callers.may_call():
            callers.call()
        callers.listen(end - time.monotonic())


def call_when_due(callers: Callers, end: float, rate: float) -> None:
    due = time.monotonic()
    while due < end:
        while due <= time.monotonic() and callers.may_call():
            callers.call()
            due += random.expovariate(rate)
        callers.listen((due if callers.may_call() else end) - time.monotonic())


def main() -> None:
    port, end, work = int(sys.argv[1]), time.monotonic() + float(sys.argv[2]), json.load(sys.stdin)
    callers = Callers(port, work)
    if "rate" in work:
        call_when_due(callers, end, work["rate"])
    else:
        call_again_at_once(callers, end)
    while callers.asking and time.monotonic() < end + PATIENCE:
        callers.listen(0.1)
    callers.hang_up()
    for (key, viewer, _), asked_at, seconds, answer in callers.answers:
        status = status_of(answer)
        said = json.loads(body_of(answer)) if status == 200 else {}
        print(json.dumps([key, viewer, asked_at, seconds, status, said]))


if __name__ == "__main__":
    main()
