"""What can be switched off at once: everything that some viewers get."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.common.clock import now
from apps.common.errors import Denied, NotFound
from apps.releases import services
from apps.releases.models import SurfaceLimit
from apps.releases.selectors import live
from tests.policies.examples import experiment, flag, rule
from tests.releases.people import an_approver, an_editor, measured

pytestmark = pytest.mark.django_db


def test_a_rule_and_a_flag_of_a_release_that_is_rolled_out_can_be_switched_off_too():
    draft = services.start_revision(actor=an_editor())
    changes = {"dating.rules": [rule()], "flags": [flag()]}
    draft = measured(services.edit_revision(draft, 1, changes, actor=an_editor()))
    services.publish_revision(draft, actor=an_approver(), note="", staged=True)
    services.switch_off("rule", "dating/newcomers", actor=an_editor(), reason="Complaints")
    services.switch_off("flag", "bolder", actor=an_editor(), reason="Complaints")
    assert live().killed == {"rule:dating/newcomers", "flag:bolder"}


def test_a_switch_holds_from_one_release_to_the_next_until_it_is_lifted():
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.rules": [rule()]})
    services.publish_revision(draft, actor=None, note="")
    services.switch_off("rule", "dating/newcomers", actor=an_editor(), reason="Complaints")
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.diversity": 0.6})
    services.publish_revision(draft, actor=None, note="")
    assert (live().stable_number, live().killed) == (3, {"rule:dating/newcomers"})


def test_what_only_a_rollout_that_was_turned_back_had_can_not_be_switched_off():
    draft = services.edit_revision(services.start_revision(actor=None), 1, {"dating.rules": [rule()]})
    services.publish_revision(draft, actor=None, note="", staged=True)
    services.turn_back(actor=None, reason="Slow")
    with pytest.raises(NotFound):
        services.switch_off("rule", "dating/newcomers", actor=an_editor(), reason="Complaints")


@pytest.mark.parametrize(
    ("kind", "key"), [("rule", "networking/newcomers"), ("experiment", "spread"), ("flag", "bolder")]
)
def test_an_editor_of_one_surface_switches_nothing_of_another_off_or_on(kind: str, key: str):
    starts, ends = (f"{now() + timedelta(days=d):%Y-%m-%dT%H:%M:%SZ}" for d in (-1, 9))
    dated = {"starts_at": starts, "ends_at": ends}
    changes = {
        "networking.rules": [rule(**dated)],
        "flags": [flag(**dated)],
        "experiments": [experiment(surface="networking", **dated)],
    }
    draft = services.edit_revision(services.start_revision(actor=None), 1, changes)
    services.publish_revision(draft, actor=None, note="")
    editor = an_editor()
    limit = SurfaceLimit.objects.create(user=editor, surfaces=["dating"])
    with pytest.raises(Denied):
        services.switch_off(kind, key, actor=editor, reason="Complaints")
    services.switch_off(kind, key, actor=None, reason="Complaints")
    with pytest.raises(Denied):
        services.lift(kind, key, actor=editor)
    assert live().killed == {f"{kind}:{key}"}
    limit.delete()
    assert services.lift(kind, key, actor=editor)
