"""Members' traffic while something breaks, with a ledger of its own: what was sent, acknowledged, answered.

Posters send events, and each batch again until it is answered; askers ask for lists, with the same request id
until one is answered. So does the member app's back end. What must hold afterwards: see checker.py.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID, uuid4

import requests

from tests.faults.site import FORBIDDEN, Site, event

AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class Answer:
    """One call for a list. `status` 0: no answer came."""

    viewer: str
    asked_at: float  # time.monotonic()
    seconds: float
    status: int
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> list[str]:
        return [item["id"] for item in self.body.get("items", ())]


class Traffic:
    """Flows while its `with` block runs. `limit`: candidates per list; `pause`: seconds between two calls."""

    def __init__(
        self,
        site: Site,
        *,
        posters: int = 0,
        askers: int = 4,
        surface: str = "dating",
        limit: int = 1,
        pause: float = 0.01,
    ) -> None:
        self.site, self.surface, self.limit, self.pause = site, surface, limit, pause
        self.sent: set[UUID] = set()
        self.acknowledged: set[UUID] = set()
        self.put_off = 0  # batches that had to be sent again
        self.answers: list[Answer] = []
        self.blocked: dict[frozenset[str], float] = {}  # pairs, and when their block was acknowledged
        self.hidden: dict[str, float] = dict.fromkeys(FORBIDDEN, 0.0)
        self.wrong: list[str] = []  # answers that nobody should get
        self._done = threading.Event()
        loops: list[tuple[Callable[[int], None], int]] = [(self._post_on, posters), (self._ask_on, askers)]
        self._threads = [
            threading.Thread(target=loop, args=(i,), daemon=True) for loop, n in loops for i in range(n)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def block(self, actor: str, target: str) -> None:
        """Returns once the block is acknowledged."""
        with requests.Session() as session:
            self._send_until_acknowledged(session, [event("block", actor, target)])
        self.blocked[frozenset((actor, target))] = time.monotonic()

    def hide(self, member: str) -> None:
        """Returns once it is acknowledged that nobody is shown them any more."""
        while self.site.send("PATCH", f"/members/{member}", {"visibility": "hidden"}).status_code != 200:
            time.sleep(AGAIN_SECONDS)
        self.hidden[member] = time.monotonic()

    def ask(self, session: requests.Session, viewer: str) -> Answer:
        """A list of those whom the site would show."""
        asked = f"surface={self.surface}&member={viewer}&limit={self.limit}&request_id={uuid4()}"
        return self._until_answered(session, viewer, "GET", f"/recommendations?{asked}")

    def rank(self, session: requests.Session, viewer: str, candidate: str) -> Answer:
        """A list of one candidate, or of nobody."""
        body = {"surface": self.surface, "member": viewer, "candidates": [candidate]}
        return self._until_answered(session, viewer, "POST", "/rankings", body | {"request_id": str(uuid4())})

    def _until_answered(self, session: requests.Session, viewer: str, *call: Any) -> Answer:
        """Asks until there is an answer, or the traffic ends; every call goes into the ledger."""
        while True:
            answer = self._answer(session, viewer, *call)
            self.answers.append(answer)
            if answer.status == 200 or self._done.is_set():
                return answer
            time.sleep(AGAIN_SECONDS)

    def since(self, start: float, end: float = float("inf")) -> list[Answer]:
        """The calls that began between two moments."""
        return [answer for answer in list(self.answers) if start < answer.asked_at < end]

    def wait_for_answers(self, count: int, seconds: float = 120.0) -> None:
        """Until so many more calls for lists were answered with 200."""
        start, end = time.monotonic(), time.monotonic() + seconds
        while sum(answer.status == 200 for answer in self.since(start)) < count:
            assert time.monotonic() < end, f"not {count} answers within {seconds} s"
            time.sleep(0.05)

    def wait_for_events(self, count: int, seconds: float = 120.0) -> None:
        """Until so many more events were acknowledged."""
        wanted, end = len(self.acknowledged) + count, time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < end, f"not {count} events within {seconds} s"
            time.sleep(0.05)

    def _ask_on(self, number: int) -> None:
        draw, people = random.Random(number), self.site.askers
        with requests.Session() as session:
            while not self._done.wait(self.pause):
                self.ask(session, draw.choice(people))

    def _answer(self, session: requests.Session, viewer: str, *call: Any) -> Answer:
        asked_at = time.monotonic()
        try:
            response = self.site.send(*call, session=session, seconds=10)
            status, answer = response.status_code, response.json()
        except requests.RequestException:
            status, answer = 0, {}
        return Answer(viewer, asked_at, time.monotonic() - asked_at, status, answer)

    def _post_on(self, number: int) -> None:
        draw = random.Random(number)
        with requests.Session() as session:
            while not self._done.is_set():
                self._send_until_acknowledged(session, [self._event(draw) for _ in range(10)])

    def _event(self, draw: random.Random) -> dict[str, Any]:
        """Decisions among those who don't ask, so that the lists of those who do stay full."""
        kind = draw.choice(["like", "pass", "profile_view", "impression"])
        actor, target = (draw.choice(people) for people in self.site.actors)
        return event(kind, actor, target)

    def _send_until_acknowledged(self, session: requests.Session, batch: list[dict[str, Any]]) -> None:
        self.sent |= {UUID(one["id"]) for one in batch}
        while not self._is_acknowledged(session, batch):
            self.put_off += 1
            time.sleep(AGAIN_SECONDS)

    def _is_acknowledged(self, session: requests.Session, batch: list[dict[str, Any]]) -> bool:
        try:
            response = self.site.send("POST", "/events", batch, session=session)
        except requests.RequestException:
            return False
        if response.status_code == 503:
            return False
        if response.status_code != 200:
            self.wrong.append(f"{response.status_code}: {response.text}")
            return True
        results = response.json()["results"]
        self.wrong += [str(result) for result in results if result["status"] == "rejected"]
        self.acknowledged |= {UUID(result["id"]) for result in results}
        return True
