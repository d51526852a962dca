"""What is live is allowed, judged after the fact; whoever writes past the services is found."""

from __future__ import annotations

import pytest

from apps.releases import services
from apps.releases.models import Approval, LiveRelease, Reach, Release
from apps.releases.selectors import live_release
from apps.releases.unapproved import unapproved_live
from tests.releases.people import a_draft, an_approver, an_editor, measured

pytestmark = pytest.mark.django_db


def test_every_way_that_the_services_allow_is_allowed():
    assert unapproved_live() == 0, "the first release"
    services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="")
    assert unapproved_live() == 0, "approved by publishing"
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, {"governance.small_reach": 0.05})
    services.publish_revision(draft, actor=None, note="")
    small = measured(a_draft(an_approver(), diversity=0.7), 1)
    services.publish_revision(small, actor=an_approver(), note="")
    assert (live_release().number, unapproved_live()) == (4, 0), "reaches few"
    alone = a_draft(an_approver(), diversity=0.8)
    services.publish_revision(alone, actor=an_approver(), note="It burns", emergency=True)
    assert unapproved_live() == 0, "an emergency, which shows as one"


def test_a_release_that_was_written_past_the_services_is_found():
    first = live_release()
    smuggled = Release.objects.create(
        number=99, content=first.content, digest=first.digest, note="in the night"
    )
    LiveRelease.objects.update(candidate=smuggled, candidate_percentage=1)
    assert unapproved_live() == 1
    LiveRelease.objects.update(stable=smuggled)
    assert unapproved_live() == 2


@pytest.mark.parametrize("missing", [Approval, Reach])
def test_without_an_approval_only_a_small_reach_allows(missing):
    services.publish_revision(a_draft(an_editor()), actor=an_approver(), note="")
    missing.objects.all().delete()
    assert unapproved_live() == (1 if missing is Approval else 0)
