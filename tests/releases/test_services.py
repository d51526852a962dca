"""Drafts, releases and the pointer: who wins, what is written, what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission, User
from django.db import Error, connection, transaction

from apps.common.errors import Conflict, Denied
from apps.common.models import AuditEntry
from apps.policies.schema import PolicyInvalid
from apps.releases import services
from apps.releases.models import LiveRelease, Release, Revision
from apps.releases.selectors import live, live_release, open_drafts, release_before
from tests.policies.examples import rule
from tests.releases.people import measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> User:
    return User.objects.create_user("ed", is_staff=True)


@pytest.fixture
def approver() -> User:
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="publish_release"))
    return user


def publish(**values: object) -> Release:
    """A release in which dating's knobs have these values."""
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, draft.version, {f"dating.{key}": v for key, v in values.items()})
    return services.publish_revision(draft, actor=None, note="test")


def dating(release: Release) -> dict:
    return release.content["surfaces"]["dating"]


def test_every_database_has_release_one_live():
    assert live().stable_number == 1
    assert set(live().stable_content["surfaces"]) == {"dating", "networking", "travel"}


def test_ensuring_the_first_release_again_changes_nothing():
    services.ensure_first_release()
    assert Release.objects.count() == 1


def test_the_live_row_is_read_in_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        live()


def test_publishing_makes_a_numbered_release_moves_the_pointer_and_says_who(approver, editor):
    draft = services.start_revision(actor=editor)
    draft = measured(services.edit_revision(draft, 1, {"dating.diversity": 0.6}, actor=editor))
    release = services.publish_revision(draft, actor=approver, note="More variety")
    assert release.number == 2
    assert live().stable_number == 2
    assert dating(live_release())["diversity"] == 0.6
    draft.refresh_from_db()
    assert (draft.status, draft.release_id) == ("published", 2)
    entry = AuditEntry.objects.get(action="release.published", subject="release 2")
    assert (entry.actor, entry.before["live"], entry.after["live"]) == (approver, 1, 2)


def test_an_edit_raises_the_version_and_the_audit_names_only_what_changed(editor):
    draft = services.start_revision(actor=editor)
    draft = services.edit_revision(
        draft, 1, {"dating.diversity": 0.6, "dating.exploration": 0.1}, actor=editor
    )
    assert draft.version == 2
    entry = AuditEntry.objects.get(action="revision.edited")
    assert (entry.before, entry.after) == ({"dating.diversity": 0.1}, {"dating.diversity": 0.6})


def test_an_edit_of_another_version_is_a_conflict_and_saves_nothing():
    draft = services.start_revision(actor=None)
    services.edit_revision(draft, 1, {"dating.diversity": 0.6})
    with pytest.raises(Conflict):
        services.edit_revision(draft, 1, {"dating.diversity": 0.2})
    draft.refresh_from_db()
    assert (draft.version, draft.content["surfaces"]["dating"]["diversity"]) == (2, 0.6)


def test_an_invalid_edit_saves_nothing():
    draft = services.start_revision(actor=None)
    with pytest.raises(PolicyInvalid):
        services.edit_revision(draft, 1, {"dating.diversity": 6, "dating.exploration": 0.2})
    draft.refresh_from_db()
    assert draft.version == 1
    assert not AuditEntry.objects.filter(action="revision.edited").exists()


def test_editors_can_neither_publish_nor_roll_back(editor):
    publish(diversity=0.5)
    draft = services.start_revision(actor=editor)
    with pytest.raises(Denied):
        services.publish_revision(draft, actor=editor, note="")
    with pytest.raises(Denied):
        services.roll_back(Release.objects.get(number=1), actor=editor, note="")
    assert live().stable_number == 2
    assert Release.objects.count() == 2


def test_a_draft_started_before_another_release_must_be_brought_up_to_date_first():
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.exploration": 0.3})
    publish(diversity=0.7)
    with pytest.raises(Conflict) as conflict:
        services.publish_revision(draft, actor=None, note="")
    assert conflict.value.code == "release_changed"
    draft, _ = services.bring_up_to_date(draft, draft.version)
    release = services.publish_revision(draft, actor=None, note="")
    assert (dating(release)["exploration"], dating(release)["diversity"]) == (0.3, 0.7)


def test_bringing_up_to_date_keeps_the_rules_that_the_draft_changed():
    publish(rules=[rule(id="a"), rule(id="b")])
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule(id="b", priority=7), rule(id="mine")]})
    publish(diversity=0.7, rules=[rule(id="a"), rule(id="b"), rule(id="theirs")])
    draft, _ = services.bring_up_to_date(draft, draft.version)
    policy = draft.content["surfaces"]["dating"]
    assert [one["id"] for one in policy["rules"]] == ["b", "mine", "theirs"]
    assert (policy["rules"][0]["priority"], policy["diversity"]) == (7, 0.7)


def test_of_an_entry_that_both_changed_each_field_stays_and_a_clash_is_named():
    """Putting the whole entry back would undo what the live release changed in it."""
    publish(rules=[rule()], diversity=0.2)
    draft = services.start_revision(actor=None)
    mine = {"dating.rules": [rule(owner="me", name="Mine")], "dating.diversity": 0.3}
    draft = services.edit_revision(draft, 1, mine)
    publish(rules=[rule(effect={"factor": 1.1}, name="Theirs")], diversity=0.4)
    draft, clashes = services.bring_up_to_date(draft, draft.version)
    policy = draft.content["surfaces"]["dating"]
    (one,) = policy["rules"]
    assert (one["effect"], one["owner"], one["name"]) == ({"factor": 1.1}, "me", "Mine")
    assert policy["diversity"] == 0.3
    assert [(clash.path, clash.before, clash.after) for clash in clashes] == [
        ("dating.diversity", 0.4, 0.3),
        ("dating.rules.newcomers", {"name": "Theirs"}, {"name": "Mine"}),
    ]


def test_what_one_side_removed_and_the_other_changed_is_named():
    publish(rules=[rule(id="a"), rule(id="b")])
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule(id="a", owner="me")]})
    publish(rules=[rule(id="b", owner="them")])
    draft, clashes = services.bring_up_to_date(draft, draft.version)
    assert [one["id"] for one in draft.content["surfaces"]["dating"]["rules"]] == ["a"]
    said = [(clash.path, clash.before is None, clash.after is None) for clash in clashes]
    assert said == [("dating.rules.a", True, False), ("dating.rules.b", False, True)]


def test_fields_of_both_sides_that_can_not_stand_together_leave_the_drafts_entry_whole():
    publish(rules=[rule()])
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule(effect={"factor": 2.0})]})
    publish(rules=[rule(type="cooldown", effect={"days": 30})])
    draft, clashes = services.bring_up_to_date(draft, draft.version)
    assert draft.content["surfaces"]["dating"]["rules"] == [rule(effect={"factor": 2.0})]
    assert [sorted(clash.before) for clash in clashes] == [["effect", "type"]]


def test_what_both_sides_changed_alike_is_no_clash():
    publish(rules=[rule()])
    draft = services.start_revision(actor=None)
    draft = services.edit_revision(draft, 1, {"dating.rules": [rule(owner="us")], "dating.diversity": 0.4})
    publish(rules=[rule(owner="us")], diversity=0.4)
    assert services.bring_up_to_date(draft, draft.version)[1] == []


def test_publishing_a_version_that_the_approver_did_not_see_is_a_conflict():
    draft = services.start_revision(actor=None)
    services.edit_revision(draft, 1, {"dating.diversity": 0.6})
    with pytest.raises(Conflict):
        services.publish_revision(draft, actor=None, note="", version=1)
    assert live().stable_number == 1


def test_a_published_or_discarded_draft_is_closed():
    draft = services.start_revision(actor=None)
    services.discard_revision(draft, draft.version, actor=None)
    for act in (
        lambda: services.edit_revision(draft, 1, {}),
        lambda: services.publish_revision(draft, actor=None, note=""),
        lambda: services.discard_revision(draft, draft.version, actor=None),
    ):
        with pytest.raises(Conflict):
            act()
    assert open_drafts() == []


def test_a_draft_that_somebody_saved_meanwhile_is_not_discarded():
    draft = services.start_revision(actor=None)
    seen = draft.version
    services.edit_revision(draft, seen, {"dating.diversity": 0.6})
    with pytest.raises(Conflict):
        services.discard_revision(draft, seen, actor=None)
    assert [one.pk for one in open_drafts()] == [draft.pk]


def test_rolling_back_restores_the_earlier_content_without_a_new_release():
    publish(diversity=0.7)
    first = Release.objects.get(number=1)
    services.roll_back(first, actor=None, note="Fewer likes", expected_live=2)
    assert (live().stable_number, Release.objects.count()) == (1, 2)
    entry = AuditEntry.objects.get(action="release.rolled_back")
    assert (entry.before["live"], entry.after) == (
        2,
        {"live": 1, "note": "Fewer likes", "digest": first.digest},
    )


def test_rolling_back_from_a_release_that_is_no_longer_live_is_a_conflict():
    publish(diversity=0.7)
    publish(diversity=0.8)
    with pytest.raises(Conflict):
        services.roll_back(Release.objects.get(number=1), actor=None, note="", expected_live=2)
    with pytest.raises(Conflict):
        services.roll_back(Release.objects.get(number=3), actor=None, note="")
    assert live().stable_number == 3


def test_numbers_go_on_after_a_roll_back():
    publish(diversity=0.7)
    services.roll_back(Release.objects.get(number=1), actor=None, note="")
    assert publish(diversity=0.9).number == 3
    assert release_before(Release.objects.get(number=3)).number == 2


@pytest.mark.parametrize("sql", ["UPDATE releases_release SET note = 'x'", "DELETE FROM releases_release"])
def test_postgres_itself_refuses_to_change_a_release(sql):
    with pytest.raises(Error, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_postgres_itself_refuses_to_change_the_audit_trail():
    with pytest.raises(Error, match="never changed"), transaction.atomic():
        AuditEntry.objects.all().update(action="x")


def at_once(*acts) -> list[object]:
    """What each act gave or raised, all started together, each on a connection of its own."""
    gate = Barrier(len(acts))

    def run(act):
        gate.wait()
        try:
            return act()
        except Conflict as conflict:
            return conflict
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


@pytest.mark.django_db(transaction=True)
def test_of_four_drafts_published_at_once_one_wins_and_the_others_get_a_conflict():
    drafts = [services.start_revision(actor=None) for _ in range(4)]
    results = at_once(*(lambda d=d: services.publish_revision(d, actor=None, note="") for d in drafts))
    assert sum(isinstance(result, Release) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert Release.objects.count() == 2
    assert Revision.objects.filter(status="published").count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_draft_published_twice_at_once_becomes_one_release():
    draft = services.start_revision(actor=None)
    results = at_once(*[lambda: services.publish_revision(draft, actor=None, note="")] * 3)
    assert sum(isinstance(result, Release) for result in results) == 1
    assert Release.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_edits_of_the_same_version_at_once_one_wins():
    draft = services.start_revision(actor=None)
    edits = [lambda v=v: services.edit_revision(draft, 1, {"dating.diversity": v}) for v in (0.5, 0.6, 0.7)]
    results = at_once(*edits)
    assert sum(isinstance(result, Conflict) for result in results) == 2
    draft.refresh_from_db()
    assert draft.version == 2


@pytest.mark.django_db(transaction=True)
def test_of_a_publish_and_a_roll_back_at_once_one_wins():
    publish(diversity=0.7)
    draft = services.start_revision(actor=None)
    first = Release.objects.get(number=1)
    results = at_once(
        lambda: services.publish_revision(draft, actor=None, note=""),
        lambda: services.roll_back(first, actor=None, note="", expected_live=2),
    )
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert LiveRelease.objects.get().stable_id in (1, 3)


@pytest.mark.django_db(transaction=True)
def test_a_flushed_database_starts_again_with_release_one():
    assert live().stable_number == 1
    assert publish(diversity=0.7).number == 2
