"""The A/A experiment that runs in the demo by default: both halves are treated the same.

What its page finds is chance, unless assignment, exposure or analysis is broken.
"""

from datetime import timedelta
from typing import Any


def start_aa_experiment() -> None:
    """Publishes it as the system: nobody has to be asked before anybody is there."""
    from apps.delivery.reach import ready_to_serve
    from apps.releases.services import edit_revision, publish_revision, start_revision

    draft = start_revision(actor=None, title="A/A experiment")
    edit_revision(draft, draft.version, {"experiments": [same_and_same()]})
    ready_to_serve(draft)
    publish_revision(draft, actor=None, note="An A/A experiment: both halves are treated the same")


def same_and_same() -> dict[str, Any]:
    """An A/A experiment on dating for four weeks from now on."""
    from apps.common.clock import now

    same: dict[str, Any] = {"weight": 0.5, "overrides": {}}
    return {
        "key": "aa-check",
        "name": "A/A check",
        "surface": "dating",
        "hypothesis": "Nothing differs: both halves get the same lists, so any difference is chance.",
        "metric": "likes_given",
        "guardrails": ["reports", "blocks"],
        "unit": "member",
        "layer": "checks",
        "layer_range": [0.0, 1.0],
        "salt": "aa-check",
        "phase": 1,
        "coverage": 1.0,
        "audience": None,
        "variants": [{"key": "a", "name": "Half A", **same}, {"key": "b", "name": "Half B", **same}],
        "starts_at": f"{now():%Y-%m-%dT%H:%M:00Z}",
        "ends_at": f"{now() + timedelta(days=28):%Y-%m-%dT%H:%M:00Z}",
        "stop_rule": "fixed_horizon",
        "owner": "Experiments",
        "reason": "Shows that assignment, exposure and analysis agree before anybody trusts them.",
    }
