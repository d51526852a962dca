"""What ends by itself: rules, flags and experiments of the live release, and releases; soon is three days.

One list for the mails (`tell_what_ends_soon`) and for the first page (apps.console.waiting).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.common.clock import now
from apps.policies.conflicts import SOON
from apps.policies.fields import moment
from apps.releases.audit import PUBLISH
from apps.releases.notices import notify
from apps.releases.selectors import ends_in_force, live_release


@dataclass(frozen=True)
class Ending:
    """`kind`: rules, flags, experiments or release; `key`: what names it once and for all."""

    kind: str
    key: str
    title: str
    sentence: str
    ends_at: datetime

    @property
    def is_soon(self) -> bool:
        return (self.ends_at - now()).total_seconds() < SOON


def endings() -> list[Ending]:
    """Everything live that has an end, and has not ended."""
    at = now()
    found = [*_of_content(live_release().content), *_of_releases()]
    return [one for one in found if at < one.ends_at]


def tell_what_ends_soon() -> int:
    """Tells approvers of each once; how many were new. One that was moved is told again."""
    return sum(
        notify(
            f"ends {one.key} {one.ends_at:%Y-%m-%dT%H:%M:%SZ}",
            f"{one.title} ends soon",
            f"It ends at {one.ends_at:%d %b %Y %H:%M} UTC. {one.sentence}",
            permission=PUBLISH,
        )
        for one in endings()
        if one.is_soon
    )


def _of_content(content: Mapping[str, Any]) -> Iterator[Ending]:
    for surface, policy in content["surfaces"].items():
        for rule in policy.get("rules", []):
            title = f"The rule {rule['name']} on {surface}"
            yield _owned("rules", f"{surface} {rule['id']}", title, rule)
    for kind in ("flags", "experiments"):
        for one in content.get(kind, []):
            yield _owned(kind, f"{kind} {one['key']}", f"The {kind[:-1]} {one['name']}", one)


def _owned(kind: str, key: str, title: str, entry: Mapping[str, Any]) -> Ending:
    said = f"Owner: {entry['owner']}. Prolong it in a draft, or let it end."
    return Ending(kind, key, title, said, moment(entry["ends_at"]))


def _of_releases() -> Iterator[Ending]:
    for end in ends_in_force():
        said = f"Release {end.back_to_id} comes back then. Move or cancel its end, or let it end."
        yield Ending("release", f"release {end.release_id}", f"Release {end.release_id}", said, end.at)
