"""The release workflow in plain Python: who wrote, who agreed, what was measured, what is live.

Takes what people do, says whether it is allowed and what readers may see then. Knows no database, no digest
and no lock, so that it can't be wrong in the same way as the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apps.policies.schema import default_content, validate_content
from tests.policies.examples import flag, rule

STAGES = (1, 10, 50, 100)
FRESH = timedelta(hours=24)
SWITCHES = (("rule", "dating/newcomers"), ("flag", "bolder"), ("rule", "dating/none"))


class Says(NamedTuple):
    """All that these drafts and releases differ in."""

    diversity: float = 0.1
    daily_cap: int = 200
    small_reach: float = 0.0
    with_rule: bool = False
    with_flag: bool = False

    @property
    def changes(self) -> dict[str, Any]:
        """As the paths of an edit."""
        return {
            "dating.diversity": self.diversity,
            "dating.daily_cap": self.daily_cap,
            "governance.small_reach": self.small_reach,
            "dating.rules": [rule()] if self.with_rule else [],
            "flags": [flag()] if self.with_flag else [],
        }

    def content(self) -> dict[str, Any]:
        """The whole content that says so."""
        content = default_content()
        said = self.changes
        content["surfaces"]["dating"] |= {
            key.removeprefix("dating."): value for key, value in said.items() if key.startswith("dating.")
        }
        content["governance"]["small_reach"] = self.small_reach
        return validate_content(content | {"flags": said["flags"]})

    def lowers_a_guard_of(self, live: Says) -> bool:
        looser = live.daily_cap and (not self.daily_cap or self.daily_cap > live.daily_cap)
        return bool(looser) or self.small_reach > live.small_reach

    def upon(self, old: Says, live: Says) -> Says:
        """Its own changes since `old`, put upon what is live."""
        return Says(*(mine if mine != was else now for mine, was, now in zip(self, old, live, strict=True)))


@dataclass
class Draft:
    pk: int
    says: Says
    base: int
    writers: set[str]
    version: int = 1
    status: str = "draft"
    agreed: set[tuple[Says, str]] = field(default_factory=set)
    reach: dict[Says, tuple[int, float, datetime]] = field(default_factory=dict)  # against, share, when
    due: datetime | None = None
    until: datetime | None = None  # the end of the release that it is scheduled to be
    scheduled_by: str = ""

    @property
    def is_open(self) -> bool:
        return self.status not in ("published", "discarded")

    def written(self, says: Says, who: str) -> None:
        self.says = says
        self.off_schedule("draft")
        self.version += 1
        self.writers.add(who)

    def off_schedule(self, status: str) -> None:
        self.status, self.due, self.until = status, None, None


@dataclass
class End:
    """Of a release: `back` was live when it was published, at `given`."""

    at: datetime
    back: int
    given: datetime
    status: str = "waiting"


@dataclass
class Model:
    """Everything that was done, and what follows from it."""

    approvers: set[str]
    editors: set[str]
    releases: dict[int, Says] = field(default_factory=lambda: {1: Says()})
    why: dict[int, str] = field(default_factory=lambda: {1: "system"})
    been_live: set[int] = field(default_factory=lambda: {1})
    drafts: list[Draft] = field(default_factory=list)
    stable: int = 1
    candidate: int | None = None
    percentage: int = 0
    moves: int = 1  # of the pointer; the first release was one
    off: set[tuple[str, str]] = field(default_factory=set)
    unreviewed: dict[int, str] = field(default_factory=dict)  # emergency release -> by whom
    ends: dict[int, End] = field(default_factory=dict)  # by release

    def why_allowed(self, draft: Draft, who: str, at: datetime, *, emergency: bool = False) -> str | None:
        """What makes this publish right; None: it must be refused."""
        if who not in self.approvers or not draft.is_open:
            return None
        if self.candidate is not None or draft.base != self.stable or self._share(draft, at) is None:
            return None
        if emergency:
            return "emergency"
        if who not in draft.writers:
            return "second person"
        if any(said == draft.says and one in self.approvers - draft.writers for said, one in draft.agreed):
            return "approved"
        return "small" if self._is_small(draft, at) else None

    def _share(self, draft: Draft, at: datetime) -> float | None:
        against, share, measured = draft.reach.get(draft.says, (0, 0.0, at))
        return share if against == self.stable and at - measured <= FRESH else None

    def _is_small(self, draft: Draft, at: datetime) -> bool:
        live, share = self.releases[self.stable], self._share(draft, at)
        if share is None or draft.says.lowers_a_guard_of(live):
            return False
        return live.small_reach > 0 and share <= live.small_reach

    def agree(self, draft: Draft, who: str) -> None:
        if who not in draft.writers:
            draft.agreed.add((draft.says, who))

    def publish(
        self, draft: Draft, why: str, at: datetime, *, staged: bool = False, until: datetime | None = None
    ) -> None:
        number = max(self.releases) + 1
        self.releases[number], self.why[number] = draft.says, why
        if until is not None:
            self.ends[number] = End(until, self.stable, at)
        draft.off_schedule("published")
        if staged:
            self.candidate, self.percentage = number, STAGES[0]
            self.moves += 1
        else:
            self.move(number)
            self.been_live.add(number)

    def move(self, number: int) -> None:
        self.stable, self.candidate, self.percentage = number, None, 0
        self.moves += 1

    def step_up(self) -> None:
        assert self.candidate is not None
        later = [stage for stage in STAGES if stage > self.percentage]
        if later:
            self.percentage = later[0]
            self.moves += 1
        else:
            self.been_live.add(self.candidate)
            self.move(self.candidate)

    def beat(self, at: datetime) -> int:
        """The clock's publish: what was due first goes first; what may not go live any more goes back."""
        due = [one for one in self.drafts if one.status == "scheduled" and one.due and one.due <= at]
        done = 0
        for draft in sorted(due, key=lambda one: (one.due, one.pk)):
            why = self.why_allowed(draft, draft.scheduled_by, at)
            if why is None or (draft.until is not None and draft.until <= at):
                draft.off_schedule("approved")
            else:
                self.agree(draft, draft.scheduled_by)
                self.publish(draft, f"{why}, scheduled", at, until=draft.until)
                done += 1
        return done

    def end(self, at: datetime) -> int:
        """The clock's ends: each takes its own release away, and nothing where another is on its way."""
        due = {number: end for number, end in self.ends.items() if end.status == "waiting" and end.at <= at}
        done = 0
        for number, end in sorted(due.items(), key=lambda item: (item[1].at, item[0])):
            is_alone = self.candidate is None and self.stable == number
            if is_alone or self.candidate == number:
                self.move(self.comes_back(end) if is_alone else self.stable)
                end.status = "ended"
                done += 1
            else:
                end.status = "missed"
        return done

    def comes_back(self, end: End) -> int:
        """Not a release whose own time ran out while the ending one was live, but what was before that."""
        before = self.ends.get(end.back)
        ran_out = before is not None and before.status == "missed" and before.at >= end.given
        return self.comes_back(before) if before is not None and ran_out else end.back

    def can_be_switched(self, kind: str, key: str) -> bool:
        said = [self.releases[number] for number in (self.stable, self.candidate) if number is not None]
        if kind == "flag":
            return key == "bolder" and any(one.with_flag for one in said)
        return key == "dating/newcomers" and any(one.with_rule for one in said)
