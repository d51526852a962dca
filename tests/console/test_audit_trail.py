"""Every change of a row leaves an entry, by whatever path it came; and no entry can be changed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from apps.common.audit import acting
from apps.common.models import AuditEntry
from apps.console.roles import ensure_staff
from apps.members.bodies import ConnectionBody
from apps.members.graph import save_connections
from apps.members.models import Member
from apps.places.models import Place
from tests.console.people import staff
from tests.console.town import build_town

pytestmark = pytest.mark.django_db

# Tables without triggers, and why.
UNWATCHED = {
    "what happened, not what was set": {
        "interactions_event", "interactions_eventkey", "interactions_undone", "interactions_relationship",
        "interactions_delivery", "common_change", "common_auditentry", "members_erasure", "api_keptanswer",
        "delivery_draftstudy", "releases_notice", "releases_comment", "releases_reach", "axes_accessattempt",
        "axes_accesslog", "axes_accessfailurelog", "axes_accessattemptexpiration", "django_admin_log",
        "interactions_keptfact", "members_earlierprofile", "places_earlierplace",
    },
    "never changed once written": {"releases_release", "releases_revision_contributors"},
    "the machine's own": {
        "common_onlinestate", "django_session", "django_migrations", "django_content_type", "auth_permission",
        "refresh_snapshot", "refresh_refreshjob", "django_celery_beat_periodictasks",
        "otp_static_statictoken", "interactions_dailyfigure", "interactions_recentfigure",
        "delivery_experimentreading", "delivery_pacingprices", "interactions_untold",
        "interactions_keptsince",
    },
    "not in use": {
        "django_celery_beat_solarschedule", "django_celery_beat_clockedschedule",
        "rest_framework_api_key_apikey",
    },
}  # fmt: skip


def rows_about(subject: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(subject=subject, kind="row").order_by("id"))


def test_every_table_is_watched_or_has_a_reason_not_to_be():
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT event_object_table FROM information_schema.triggers "
                       "WHERE trigger_name = 'audit_update'")  # fmt: skip
        watched = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
                       "AND relnamespace = 'public'::regnamespace")  # fmt: skip
        tables = {name for (name,) in cursor.fetchall()}
    excused = set().union(*UNWATCHED.values())
    assert tables - watched - excused == set()
    assert watched & excused == set()


def test_a_large_set_is_audited_at_once_and_without_its_version_numbers():
    """An INSERT without a conflict calls the update trigger with no rows: that plan must not stand."""
    Member.objects.bulk_create([Member(external_id=f"m{i}", display_name="M") for i in range(100)])
    body = ConnectionBody(kind="connection")
    pairs = [(f"m{a}", f"m{b}") for a in range(100) for b in range(a)]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10s'")  # row by row it takes 25 million comparisons
    save_connections([(a, b, body) for a, b in pairs])
    entries = AuditEntry.objects.filter(kind="row", subject__startswith="connection ")
    assert set(entries.values_list("action", flat=True)) == {"connection.created"}
    assert entries.count() == len(pairs)
    save_connections([("m0", "m1", body.model_copy(update={"visible": False}))])
    assert entries.latest("id").after == {"fields": ["visible"]}


@pytest.mark.parametrize("path", ["queryset", "raw", "model", "bulk"])
def test_a_place_that_changes_leaves_before_and_after_whatever_the_path(path):
    build_town(members=10, days=1)
    place = Place.objects.order_by("number").first()
    assert place is not None
    was = place.name
    if path == "queryset":
        Place.objects.filter(pk=place.pk).update(name="New")
    elif path == "raw":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE places_place SET name = 'New' WHERE number = %s", [place.pk])
    elif path == "model":
        place.name = "New"
        place.save()
    else:
        place.name = "New"
        Place.objects.bulk_update([place], ["name"])
    entry = rows_about(f"place {place.pk}")[-1]
    assert (entry.action, entry.before, entry.after) == ("place.changed", {"name": was}, {"name": "New"})
    assert entry.actor_name == "system"


def test_of_members_only_the_names_of_fields_are_kept():
    build_town(members=10, days=1)
    member = Member.objects.order_by("number").first()
    assert member is not None
    Member.objects.filter(pk=member.pk).update(bio="A secret", display_name="Another")
    entry = rows_about(f"member {member.pk}")[-1]
    assert (entry.before, entry.after) == (None, {"fields": ["bio", "display_name"]})
    Member.objects.filter(pk=member.pk).delete()
    last = rows_about(f"member {member.pk}")[-1]
    assert (last.action, last.before, last.after) == ("member.deleted", None, None)
    said = str(list(AuditEntry.objects.filter(subject__startswith="member ").values_list("before", "after")))
    assert "secret" not in said


def test_a_change_that_changes_nothing_leaves_nothing():
    build_town(members=10, days=1)
    member = Member.objects.order_by("number").first()
    assert member is not None
    before = AuditEntry.objects.count()
    Member.objects.filter(pk=member.pk).update(bio=member.bio)
    assert AuditEntry.objects.count() == before


def test_secrets_are_named_never_kept():
    user = ensure_staff("ann", "a long pass phrase", "editor")
    user.set_password("another pass phrase")
    user.save()
    entry = rows_about(f"user {user.pk}")[-1]
    assert (entry.before, entry.after) == ({"password": "secret"}, {"password": "changed"})


def test_what_staff_change_stands_under_their_name_and_ends_with_the_request():
    boss, user = staff("administrator"), ensure_staff("ann", "a long pass phrase", "viewer")
    page = reverse("admin:auth_user_change", args=[user.pk])
    data = {"username": "ann", "groups": [Group.objects.get(name="Editor").pk], "is_active": "on"}
    data |= {"is_staff": "on", "email": "", "first_name": "", "last_name": ""}
    data |= {f"surface_limit-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")}
    data["surface_limit-MAX_NUM_FORMS"] = "1"
    assert boss.post(page, data).status_code == 302
    assert [group.name for group in user.groups.all()] == ["Editor"]
    entries = rows_about(f"role of user {user.pk}")[-2:]
    assert {(entry.actor, entry.actor_name) for entry in entries} == {(boss.user, "administrator")}
    Place.objects.update(name="Later")
    User.objects.filter(pk=user.pk).update(first_name="Ann")
    assert rows_about(f"user {user.pk}")[-1].actor_name == "system"


def test_a_name_with_a_colon_stays_whole():
    user = ensure_staff("ann", "a long pass phrase", "viewer")
    with acting("key a: b"):
        User.objects.filter(pk=user.pk).update(first_name="Ann")
    assert rows_about(f"user {user.pk}")[-1].actor_name == "key a: b"


def test_nobody_gives_themselves_a_role_or_makes_a_superuser():
    boss = staff("administrator")
    page = reverse("admin:auth_user_change", args=[boss.user.pk])
    data = {"username": "administrator", "groups": [Group.objects.get(name="Approver").pk]}
    data |= {"is_active": "on", "is_staff": "on", "is_superuser": "on"}
    data |= {f"surface_limit-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")}
    data["surface_limit-MAX_NUM_FORMS"] = "1"
    boss.post(page, data)
    boss.user.refresh_from_db()
    assert [group.name for group in boss.user.groups.all()] == ["Administrator"]
    assert not boss.user.is_superuser


def test_an_entry_can_not_be_changed_or_deleted():
    AuditEntry.objects.create(action="a", subject="s")
    for change in (AuditEntry.objects.all().delete, lambda: AuditEntry.objects.update(action="b")):
        with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
            change()


def test_for_the_applications_role_the_trail_is_append_only():
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE application_of_a_test NOLOGIN")
        call_command("grant_app_role", "application_of_a_test")
        cursor.execute("SET LOCAL ROLE application_of_a_test")
        AuditEntry.objects.create(action="a", subject="s")
        User.objects.create(username="made by the application")
        assert AuditEntry.objects.filter(kind="row", action="user.created").exists()
        for statement in (
            "UPDATE common_auditentry SET action = 'b'",
            "DELETE FROM common_auditentry",
            "TRUNCATE common_auditentry",
            "ALTER TABLE common_auditentry DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_append_only ON common_auditentry",
            "DROP TABLE common_auditentry",
            "UPDATE releases_release SET note = 'b'",
        ):
            with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), transaction.atomic():
                cursor.execute(statement)
        cursor.execute("RESET ROLE")


def test_the_applications_role_is_made_with_its_password_and_gets_a_new_one(monkeypatch):
    with pytest.raises(CommandError, match="holds no password"):
        call_command("grant_app_role", "application_of_a_test", create=True)
    found = []
    for password in ("a'long \"one", "another"):
        monkeypatch.setenv("APP_ROLE_PASSWORD", password)
        call_command("grant_app_role", "application_of_a_test", create=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'application_of_a_test'"
            )
            found.append(cursor.fetchone())
    assert [can_login for can_login, _ in found] == [True, True]
    assert found[0][1] != found[1][1]


def test_a_doctor_of_production_warns_of_a_role_that_may_change_the_trail(settings):
    from raya_recs.doctor import findings

    def said() -> tuple[bool, str]:
        return next((one.good, one.detail) for one in findings() if one.name == "Role")

    assert said()[0]
    settings.SETTINGS_MODULE = "raya_recs.settings.production"
    assert "may change the audit trail" in said()[1]
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE application_of_a_test NOLOGIN")
        call_command("grant_app_role", "application_of_a_test")
        cursor.execute("SET LOCAL ROLE application_of_a_test")
        assert said() == (True, "application_of_a_test, which may only add to the audit trail")
        cursor.execute("RESET ROLE")


def test_the_owner_can_not_be_limited():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone()
    with pytest.raises(CommandError, match="can't be limited"):
        call_command("grant_app_role", owner)
    with pytest.raises(CommandError, match="no role nobody_at_all"):
        call_command("grant_app_role", "nobody_at_all")


def test_the_page_shows_what_people_did_and_on_demand_every_row():
    client = staff("viewer")
    AuditEntry.objects.create(action="done.by_somebody", subject="s")
    list_page = reverse("admin:common_auditentry_changelist")
    page = client.get(list_page).content.decode()
    assert "Done by somebody" in page
    assert "user.created" not in page
    assert "User created" in client.get(list_page, {"kind": "row"}).content.decode()


def test_a_service_keys_change_stands_under_the_keys_name(client: Client):
    from apps.api.models import Scope
    from apps.api.services import create_service_key

    build_town(members=10, days=1)
    _, secret = create_service_key("The app", Scope.values)
    headers = {"authorization": f"Api-Key {secret}"}
    answer = client.patch(
        "/api/v1/members/m-00001", {"bio": "New words"}, "application/merge-patch+json", headers=headers
    )
    assert answer.status_code == 200, answer.content
    member = Member.objects.get(external_id="m-00001")
    assert rows_about(f"member {member.pk}")[-1].actor_name == "key The app"
    Member.objects.filter(pk=member.pk).update(bio="By hand")
    assert rows_about(f"member {member.pk}")[-1].actor_name == "system"


def test_the_trail_says_what_was_done_in_words_and_finds_it_by_them() -> None:
    client = staff("approver", "ann")
    AuditEntry.objects.create(action="member.looked_at", subject="member ada", actor_name="ann")
    url = reverse("admin:common_auditentry_changelist")
    assert "Member looked at" in client.get(url, {"q": "Member looked"}).content.decode()
    assert "Member looked at" not in client.get(url, {"q": "Member left"}).content.decode()
