"""One world per process, kept fresh by a background thread.

Started on first use, and anew in a forked process. Four times a second it asks Postgres what is live, active
and believed, and Valkey who reached a cap. What it can't learn stays as it was: a process serves on alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import redis
from django.conf import settings
from django.db import DatabaseError, connection

from apps.common import metrics, online, valkey
from apps.common.errors import Unavailable
from apps.common.logs import name_of
from apps.common.online import Belief
from apps.common.valkey import polling_client
from apps.delivery import truth
from apps.delivery.capped import read_capped
from apps.delivery.crowd import followed as followed_crowd
from apps.delivery.health import counts
from apps.delivery.latency import Latency
from apps.delivery.overlay import Overlay, first_overlay, followed, with_changes
from apps.delivery.prices import newer_prices
from apps.delivery.rules import OverlayWords
from apps.delivery.sources import sources
from apps.delivery.world import World
from apps.interactions.grants import grant_file
from apps.pipeline.signals import by_number
from apps.pipeline.snapshot import Snapshot, SnapshotRefused
from apps.refresh import masks, store
from apps.refresh.identifiers import KINDS, open_identifiers
from apps.refresh.selectors import active_snapshot_id, snapshot_folder
from apps.releases.selectors import LiveRow, live, live_mark
from apps.surfaces.selectors import kinds_of_active_surfaces

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
BELIEF_SECONDS = 0.15
BELIEF_WAIT = 0.4
HEAL_SECONDS = 1.0  # between two tries; the first one is left to beat for as long
SOON = masks.WORTH_FETCHING  # rows times conditions that a poll evaluates itself
LONGEST_REST = 60.0  # seconds between two tries of a snapshot that can't be loaded


class Runtime:
    """Holds `world`. `poll()` renews it in the calling thread; `start()` keeps doing so in the background."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.world = World()
        self.caps: set[str] = set()  # surfaces on which requests met a cap
        self.words = OverlayWords()
        self.latency = Latency(settings.LIST_BUDGET_MS / 1000)
        self.looked: dict[int, int] = {}  # who asked for a list since the last poll, and in which hour
        self._lock = threading.Lock()  # of `world`: held for an assignment only
        self._overlay_lock = threading.Lock()  # of whoever makes the next overlay
        self._stop = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._live_mark: tuple[Any, ...] | None = None  # of the release that serves
        self._wanted_mark: tuple[Any, ...] | None = None  # as it is in Postgres
        self._doubted_at = self._healed_at = 0.0
        self._refused = ("", 0, 0.0)  # a snapshot, how often it was refused in a row, when to try it again
        self._said = ""

    def start(self, *, patience: float | None = None) -> None:
        """The first poll here, so that the caller finds a world; the others in the background.

        `patience`: seconds to wait for an online state that is being rebuilt; None: until it is whole.
        """
        self._poll_postgres(wait=True)
        self._tried(partial(self._poll_valkey, patience is None))
        self._spawn("poll", lambda: self._keep(self.poll, POLL_SECONDS))
        # On a thread of its own: long work of a poll must not let the trust lease lapse.
        self._spawn("belief", lambda: self._keep(self._poll_belief, BELIEF_SECONDS))
        end = time.monotonic() + (patience or 0.0)
        while time.monotonic() < end and not self._may_answer():
            self._stop.wait(BELIEF_SECONDS)

    def stop(self) -> None:
        """Ends the threads and their connections."""
        self._stop.set()
        for thread in list(self._threads.values()):
            thread.join(10)
        grant_file().close()

    def poll(self, *, wait: bool = False) -> None:
        """Renews the world. `wait`: long work (a new snapshot, healing) is done here.

        A step that fails stops none of the others: who paused, hid or was stopped is followed, whatever
        comes of a new release or snapshot.
        """
        self._poll_postgres(wait)
        self._tried(partial(self._poll_valkey, wait))
        self._tried(grant_file().turn_over)

    def adopt(self, numbers: set[int]) -> None:
        """Takes members into the overlay whom neither snapshot nor overlay knew. Raises DatabaseError."""
        with self._overlay_lock:
            snapshot = self.world.snapshot
            if snapshot is not None:
                overlay = with_changes(self.world.overlay, snapshot, {"member": numbers})
                self._set_overlay(snapshot, overlay)

    def _poll_postgres(self, wait: bool) -> None:
        if not truth.postgres.is_there and not wait:
            return  # whoever hangs would hold this thread up; _poll_belief tells when Postgres is back
        self._tried(self._renew_belief)
        if not self.world.truth_here:
            return
        steps = (  # changes first: a release or a snapshot may take as long as Postgres lets it
            self._follow_changes,
            partial(self._follow_release, wait),
            partial(self._follow_snapshot, wait),
            self._follow_prices,
        )
        done = [self._tried(step) for step in steps]
        if all(done):
            self._say_once("")

    def _tried(self, step: Callable[[], None]) -> bool:
        """Whether one step of a poll came to its end. What it meets stops none of the others."""
        try:
            step()
        except DatabaseError as error:
            self._without_postgres(error)
        except Exception:
            log.exception("A step of a poll failed; what it follows stays as it was")
        else:
            return True
        return False

    def _without_postgres(self, error: DatabaseError) -> None:
        self._set(truth_here=False)
        self._say_once(f"Postgres is away, serving on: {name_of(error)}")
        if not connection.in_atomic_block:
            connection.close()

    def _poll_belief(self) -> None:
        """With a time-out of our own, and also while the breaker is open: so it is closed again.

        Valkey's, too: with Postgres hung, the other thread may wait for it when Valkey merely hiccups.
        """
        if not valkey.valkey.is_there:
            with suppress(redis.RedisError):
                valkey.probe()
        try:
            self._renew_belief(
                lambda: truth.ask(online.current_belief, seconds=BELIEF_WAIT, rest=truth.PROBE_SECONDS)
            )
        except truth.TruthAway:
            self._set(truth_here=False)

    def _renew_belief(self, ask: Callable[[], Belief] = online.current_belief) -> None:
        asked_at = time.monotonic()
        belief = ask()
        self._set(belief=belief, believed_until=asked_at + online.LEASE_SECONDS, truth_here=True)

    def _follow_release(self, wait: bool) -> None:
        mark = live_mark()
        self._wanted_mark = mark or self._wanted_mark
        if mark is not None and mark != self._live_mark:
            self._go_live(mark, wait)
        self._set(kinds=kinds_of_active_surfaces())

    def _go_live(self, mark: tuple[Any, ...], wait: bool) -> None:
        """Swaps the release in when its masks are there: here when they soon are, else in the background."""
        found = _same_contents(live(), self.world.live)
        snapshot, contents = self.world.snapshot, masks.contents_of(found)

        def swap() -> None:
            if self._swap(live=found, is_wanted=lambda: self._wanted_mark == mark):
                self._live_mark = mark

        self._switch_off(found.killed)
        soon = snapshot is None or masks.work_of(snapshot, *contents) <= SOON
        if wait or soon or (snapshot is not None and masks.find_masks(snapshot, *contents) is not None):
            swap()
        else:
            self._spawn("release", swap)

    def _switch_off(self, killed: frozenset[str]) -> None:
        """What staff switched off is off at once, under a release that another will follow, too."""
        with self._lock:
            live = self.world.live
            if live is not None and live.killed != killed:
                self.world = replace(self.world, live=replace(live, killed=killed))

    def _swap(
        self,
        *,
        live: LiveRow | None = None,
        snapshot: Snapshot | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
        **values: Any,
    ) -> bool:
        """A new release, or a new snapshot with what belongs to it, together with the masks of the two; False
        when it is not wanted any more.

        Masks are made of what was there; when the other one moved meanwhile, they are made again. They may
        take long: what changes meanwhile is in the overlay that comes with a snapshot.
        """
        while True:
            before = self.world
            new_live, new_snapshot = live or before.live, snapshot or before.snapshot
            found: masks.Masks = {}
            if new_live is not None and new_snapshot is not None:
                found = masks.ensure_masks(new_snapshot, *masks.contents_of(new_live))
            with self._overlay_of(snapshot) as overlay, self._lock:
                if not is_wanted():
                    return False
                moved = (live is None and self.world.live is not before.live) or (
                    snapshot is None and self.world.snapshot is not before.snapshot
                )
                if not moved:
                    changed = {
                        "live": new_live,
                        "snapshot": new_snapshot,
                        "masks": found,
                        **overlay,
                        **values,
                    }
                    self.world = replace(self.world, **changed)
            if not moved:
                break
        if new_snapshot is not None:
            masks.remove_old_masks(new_snapshot, found)
        return True

    @contextmanager
    def _overlay_of(self, snapshot: Snapshot | None) -> Iterator[dict[str, Overlay]]:
        """The overlay that a new snapshot comes with, up to now; nobody follows changes until it is there."""
        if snapshot is None:
            yield {}
            return
        overlay = first_overlay(snapshot)
        with self._overlay_lock:
            yield {"overlay": followed(overlay, snapshot)}

    def _follow_snapshot(self, wait: bool) -> None:
        active = active_snapshot_id()
        current = self.world.snapshot
        if active is None or (current is not None and current.id == active):
            return
        refused, _, again_at = self._refused
        if wait or (current is None and refused != active and store.store() is None):
            self._load(active)
        elif refused != active or time.monotonic() >= again_at:
            self._spawn("snapshot", lambda: self._load(active))

    def _load(self, snapshot_id: str) -> None:
        from apps.pipeline.run import warm

        try:
            snapshot = store.open_here(snapshot_id)
            folder = snapshot_folder(snapshot_id)
            identifiers = {kind: open_identifiers(folder, kind) for kind in KINDS}
            warm(snapshot)
            self._swap(snapshot=snapshot, identifiers=identifiers)
            log.info("Serving snapshot %s", snapshot_id)
        except SnapshotRefused as error:
            log.warning("The active snapshot is refused, the last good one serves: %s", str(error))
            self._rest(snapshot_id)
            store.discard(snapshot_id)
        except Exception:  # nothing says that its files are harmed
            log.exception("The active snapshot can't be loaded, the last good one serves")
            self._rest(snapshot_id)

    def _rest(self, snapshot_id: str) -> None:
        """The last good one serves on; this one is tried again, more and more rarely."""
        before, times, _ = self._refused
        times = times + 1 if before == snapshot_id else 1
        self._refused = (snapshot_id, times, time.monotonic() + min(2.0 ** min(times, 10), LONGEST_REST))
        metrics.SNAPSHOTS_REFUSED.inc()

    def _follow_changes(self) -> None:
        with self._overlay_lock:
            snapshot, overlay = self.world.snapshot, self.world.overlay
            if snapshot is None:
                return
            self._set_overlay(snapshot, followed(overlay, snapshot))

    def _follow_prices(self) -> None:
        self._set(pacing=newer_prices(self.world.pacing))

    def _set_overlay(self, snapshot: Snapshot, overlay: Overlay) -> None:
        """Unless another snapshot came meanwhile, with an overlay of its own."""
        with self._lock:
            if self.world.snapshot is snapshot:
                self.world = replace(self.world, overlay=overlay)

    def _poll_valkey(self, wait: bool) -> None:
        client = polling_client()
        try:
            valkey.probe()
            marker = online.marker(client)
            evicted = self.world.vouches_for(marker) and online.has_evicted(client)
            self._set(valkey_here=True, capped=read_capped(client, tuple(self.caps)))
            counts.flush(client, time.time())
            self._tell_who_looked(client)
            people = [surface for surface, kind in self.world.kinds.items() if kind == "member"]
            self._set(crowd=followed_crowd(client, self.world.crowd, people, marker))
        except redis.RedisError as error:
            self._set(valkey_here=False)
            self._say_once(f"Valkey is away: {name_of(error)}")
            return
        if evicted:
            self._distrust("keys were evicted")
        if self.world.truth_here and not self.world.vouches_for(marker):
            self._heal(wait)
        else:
            self._doubted_at = 0.0

    def _may_answer(self) -> bool:
        """Whether the server that is there is vouched for: a new one is not, though the last one still is."""
        try:
            return self.world.vouches_for(online.marker(polling_client()))
        except redis.RedisError:
            return True  # no rebuild ends without it: lists do without it, too

    def _distrust(self, reason: str) -> None:
        """Here at once, everywhere with the next poll."""
        log.error("Valkey lost facts: %s. See docs/runbooks/ValkeyFull.md", reason)
        self._set(belief=replace(self.world.belief, trusted=False))
        with suppress(Unavailable):
            online.mark_missed(reason)

    def saw(self, viewer: int, now: float) -> None:
        """A member who asks for a list is active; told with the next poll, once in an hour."""
        hour, known = int(now // 3600), self.world.crowd.active_hour
        if by_number(known, np.array([viewer], "i4"))[0] < hour:
            self.looked[viewer] = hour

    def _tell_who_looked(self, client: redis.Redis) -> None:
        from apps.interactions import signals

        if self.looked:
            looked, self.looked = self.looked, {}
            signals.write(client, signals.Told(active=looked))

    def _heal(self, wait: bool) -> None:
        if wait:
            self._rebuild(wait=True)
            return
        now = time.monotonic()
        self._doubted_at = self._doubted_at or now
        if now - max(self._doubted_at, self._healed_at) > HEAL_SECONDS:
            self._spawn("heal", self._rebuild)

    def _rebuild(self, *, wait: bool = False) -> None:
        from apps.interactions.rebuild import rebuild_when_needed

        self._healed_at = time.monotonic()
        try:
            rebuild_when_needed(wait=wait)
            self._renew_belief()
        except (redis.RedisError, DatabaseError) as error:
            self._say_once(f"The online state can't be rebuilt yet: {name_of(error)}")

    def _set(self, **values: Any) -> None:
        with self._lock:
            self.world = replace(self.world, **values)

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        """One thread per name at a time; its connection goes with it."""
        running = self._threads.get(name)
        if running is not None and running.is_alive():
            return

        def run() -> None:
            try:
                work()
            finally:
                connection.close()

        self._threads[name] = threading.Thread(target=run, name=f"delivery-{name}", daemon=True)
        self._threads[name].start()

    def _keep(self, work: Callable[[], None], seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                work()
            except Exception:  # the thread must outlive whatever one poll meets
                log.exception("A poll failed; the world stays as it was")

    def _say_once(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            log.warning(sentence)
        self._said = sentence


def _same_contents(found: LiveRow, before: LiveRow | None) -> LiveRow:
    """With the contents that are known already: they are compiled once, by identity."""
    if before is None:
        return found
    known = {before.stable_digest: before.stable_content, before.candidate_digest: before.candidate_content}
    candidate = known.get(found.candidate_digest) or found.candidate_content
    stable = known.get(found.stable_digest) or found.stable_content
    return replace(found, stable_content=stable, candidate_content=candidate)


_runtimes: dict[str, Runtime] = {}
_starting = threading.Lock()


def runtime(*, patience: float | None = None) -> Runtime:
    """This process's runtime, started when it is not. `patience`: see Runtime.start."""
    current = _runtimes.get("only")
    if current is not None and current.pid == os.getpid():
        return current
    with _starting:
        current = _runtimes.get("only")
        if current is None or current.pid != os.getpid():
            current = Runtime()
            current.start(patience=patience)
            _runtimes["only"] = current
    return current


def stop() -> None:
    """Ends this process's runtime; the next use starts another. For tests and commands."""
    current = _runtimes.pop("only", None)
    if current is not None and current.pid == os.getpid():
        current.stop()
    truth.rest()
    valkey.valkey.forget()
    sources.forget()


def ready() -> dict[str, Any]:
    """Ready: a snapshot and a release are loaded. The rest says how the friends are."""
    world = runtime().world
    return {
        "ready": world.snapshot is not None and world.live is not None,
        "snapshot": world.snapshot.id if world.snapshot else None,
        "release": world.live.stable_number if world.live else None,
        "postgres": world.truth_here,
        "valkey": world.valkey_here,
        "breakers": {"postgres": truth.postgres.state, "valkey": valkey.valkey.state},
        "online_state_believed": world.belief.trusted and world.lease_is_fresh(),
    }
