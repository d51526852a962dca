"""A walk: hypothesis lets people do one thing after another, on the real services and on the model at once.

What they may do is in people_at_work.py, what must be so after each step in test_workflow_model.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from apps.common.clock import now
from apps.common.errors import Problem
from apps.releases import services
from apps.releases.models import Revision
from apps.releases.params import digest_of
from apps.releases.selectors import live_release
from tests.releases.people import an_approver, an_editor, person
from tests.releases.workflow import Draft, Model, Says

BEGIN = datetime(2026, 6, 10, 9, tzinfo=UTC)
CLOSED = 3  # of `which`
AUTHORS = ("ann", "ed", "bea", "eve")
FIRST_CHANGES = ({"diversity": 0.7}, {"daily_cap": 0}, {"diversity": 0.3})
happened: Counter[str] = Counter()
DEEDS: list[tuple[str, dict[str, Sequence[Any]]]] = []


def deed(often: int = 1, **said: Sequence[Any]) -> Callable[[Any], Any]:
    """Something that somebody may do at any step, and the choices it has. Hypothesis leaves half of a
    machine's rules out of each walk and likes some choices better; what we look for needs many different
    deeds in a row, so one rule draws one of them, each as likely as the others."""

    def known(function: Callable[..., None]) -> Callable[..., None]:
        DEEDS.extend([(function.__name__, said)] * often)
        return function

    return known


class Walk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = time_machine.travel(BEGIN, tick=False)
        self.time = self.clock.start()
        self.example = transaction.atomic()
        self.example.__enter__()
        for make, names in ((an_editor, ("ed", "eve")), (an_approver, ("ann", "bea"))):
            for name in names:
                make(name)
        person("vic")
        self.model = Model(approvers={"ann", "bea"}, editors={"ed", "eve", "ann", "bea"})

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)
        self.clock.stop()

    @initialize(small=st.sampled_from([True, True, False]))
    def begin(self, small: bool) -> None:
        """A release by the system, under which a small change may need nobody else."""
        draft = services.start_revision(actor=None)
        says = Says(small_reach=0.1 if small else 0.0, with_rule=True, with_flag=small)
        draft = services.edit_revision(draft, 1, says.changes)
        services.publish_revision(draft, actor=None, note="")
        begun = Draft(draft.pk, says, 1, set(), version=2)
        self.model.drafts.append(begun)
        self.model.publish(begun, "system", now())

    @rule(turn=st.integers(0, 2**20))
    def somebody_does(self, turn: int) -> None:
        stands = (turn, len(self.model.drafts), self.model.moves, len(self.model.off))
        draw = Random(repr(stands))  # a step that changed nothing can be left out and the rest stays the same
        name, choices = draw.choice(DEEDS)
        said = {key: draw.choice(values) for key, values in choices.items()}
        note(f"{name} {said}")
        getattr(self, name)(**said)

    # How it is done

    @property
    def open(self) -> list[Draft]:
        return [one for one in self.model.drafts if one.is_open]

    def draft(self, which: int) -> Draft:
        """An open draft, started where there is none yet; CLOSED: one that is closed, if there is."""
        closed = [one for one in self.model.drafts if not one.is_open]
        if which == CLOSED and closed:
            return closed[-1]
        if which >= len(self.open) and len(self.open) < 3:
            turn = len(self.model.drafts)
            self._start(AUTHORS[turn % len(AUTHORS)], FIRST_CHANGES[turn % len(FIRST_CHANGES)], 0.05)
        return self.open[which % len(self.open)]

    def _make_ready(self, which: int, share: float) -> None:
        """Up to date and measured, where it is open, with no rollout in its way."""
        if self.model.candidate is not None:
            self.turn_back(who="ann", late=False)
        draft = self.draft(which)
        if draft.is_open and draft.base != self.model.stable:
            self.bring_up_to_date(which=which, who=min(draft.writers, default="ed"), share=None, late=False)
        self._measure(draft, share)

    def _start(self, who: str, change: dict[str, Any], share: float) -> None:
        row, stable = services.start_revision(actor=self.user(who)), self.model.stable
        self.model.drafts.append(Draft(row.pk, self.model.releases[stable], stable, {who}))
        self._edit(self.model.drafts[-1], who, change)
        self._measure(self.model.drafts[-1], share)

    def user(self, name: str | None) -> User | None:
        return None if name is None else User.objects.get(username=name)

    def attempt(self, name: str, may: bool, act: Callable[..., object], *said: Any, **named: Any) -> bool:
        """Done when the model allows it, refused when it does not: never the other way round."""
        try:
            act(*said, **named)
        except Problem as problem:
            refusal = f"{problem.code}: {problem.detail}"
        else:
            refusal = ""
        assert may == (not refusal), f"{name}: {refusal or 'done, and must be refused'}"
        happened[f"{name} refused" if refusal else name] += 1
        return may

    def _edit(self, draft: Draft, who: str, change: dict[str, Any], *, late: bool = False) -> None:
        says = draft.says._replace(**change)
        services.edit_revision(row_of(draft), draft.version - late, says.changes, actor=self.user(who))
        draft.written(says, who)

    def _measure(self, draft: Draft, share: float) -> None:
        row = row_of(draft)
        services.record_reach(
            row, digest=digest_of(row.content), based_on=live_release().number,
            viewers=round(100 * share), of=100, by_surface={},
        )  # fmt: skip
        draft.reach[draft.says] = (self.model.stable, share, now())


def row_of(draft: Draft) -> Revision:
    return Revision.objects.get(pk=draft.pk)
