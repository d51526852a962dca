"""Which role gets in where: every address of the admin, as the URL configuration lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.api.models import Scope
from apps.api.services import create_service_key
from apps.common.errors import Denied
from apps.console.roles import ROLES, ensure_roles, ensure_staff
from apps.delivery.models import DraftStudy
from apps.interactions.models import Delivery
from apps.releases.models import Emergency, Revision, SurfaceLimit
from apps.releases.selectors import live_release
from apps.releases.services import bring_back, discard_revision, edit_revision, start_revision
from apps.surfaces.models import Market
from tests.console.inputs import inputs_of
from tests.console.people import staff
from tests.console.town import build_town
from tests.policies.examples import rule

pytestmark = pytest.mark.django_db
OLD = {"attribute": "age", "operator": "at_least", "value": 60}

# v: viewer, e: editor, l: editor limited to networking, a: approver, s: trust and safety, d: administrator,
# 0: nobody signed in
LETTERS = {
    "0": "", "v": "viewer", "e": "editor", "l": "limited", "a": "approver", "s": "safety",
    "d": "administrator",
}  # fmt: skip
NOBODY, EVERYBODY, STAFF = "", "0velasd", "velasd"
SHOWN = (
    "common_auditentry", "surfaces_surface", "surfaces_market", "places_place", "places_curatedlist",
    "members_member", "interactions_event", "interactions_relationship", "interactions_delivery",
    "refresh_snapshotrow", "refresh_refreshjob", "django_celery_beat_periodictask",
    "django_celery_beat_intervalschedule", "django_celery_beat_crontabschedule",
    "django_celery_beat_clockedschedule", "django_celery_beat_solarschedule",
)  # fmt: skip
ABOUT_A_MEMBER = (
    "members_member", "interactions_event", "interactions_relationship", "interactions_delivery",
)  # fmt: skip
ADMINISTRATORS = ("api_servicekey", "auth_user", "auth_group")


def table(*rows: tuple[str, str]) -> dict[str, str]:
    return {name: who for who, names in rows for name in names.split()}


def of(models: tuple[str, ...], *pages: str) -> str:
    return " ".join(f"{model}_{page}" for model in models for page in pages)


MAY_SEE = table(
    (EVERYBODY, "login"),
    ("0", "logout"),  # says goodbye once more; whoever is signed in has to post
    (STAFF, of(SHOWN, "changelist", "history", "change")),
    (STAFF, "search index app_list jsi18n second_step password_change password_change_done"),
    (STAFF, "policies draft_review releases release entries draft_entries preview study study_progress"),
    (STAFF, "experiment pacer paced_rule why_not delivery_replay staff_changes"),
    ("ela", "draft_edit draft_market draft_governance draft_entry draft_entries_import"),
    ("ela", "draft_entries_export"),
    ("ea", "places_curatedlist_add places_curatedlist_delete"),
    ("s", "safety member_data"),
    ("d", of(ADMINISTRATORS, "changelist", "history", "change")),
    ("d", "api_servicekey_add auth_user_add auth_user_password_change"),
    ("d", of(("surfaces_surface", "surfaces_market"), "add")),
    ("d", "django_celery_beat_intervalschedule_add django_celery_beat_crontabschedule_add"),
)
MAY_DO = table(
    (EVERYBODY, "login logout"),
    (STAFF, of(SHOWN, "changelist", "history")),  # a post there only reads
    (STAFF, "search index app_list second_step password_change"),
    (STAFF, "policies draft_review releases release entries draft_entries preview study study_progress"),
    (STAFF, "experiment pacer paced_rule why_not delivery_replay match draft_comment"),
    (STAFF, "staff_changes staff_change"),  # the service says who may
    (STAFF, of(ABOUT_A_MEMBER, "change")),  # says why one looks
    ("ela", "draft_start draft_edit draft_market draft_governance draft_entry draft_entry_remove"),
    ("ela", "draft_entries_change draft_entries_import entries_begin draft_ask draft_measure"),
    ("ela", "draft_entries_export"),
    ("ela", "draft_discard draft_bring_back draft_update switch study_begin study_cancel"),
    ("ea", "places_curatedlist_add places_curatedlist_change places_curatedlist_delete"),
    ("a", "draft_publish draft_approve draft_unschedule rollout_step rollout_back release_roll_back"),
    ("a", "emergency_review release_end_move release_end_cancel"),
    ("elad", "refresh_refreshjob_changelist"),
    ("s", "safety safety_stop member_data member_export member_erase"),
    ("d", of(ADMINISTRATORS, "changelist", "history")),
    ("d", "api_servicekey_add auth_user_add auth_user_change auth_user_password_change"),
    ("d", of(("surfaces_surface", "surfaces_market"), "add", "change")),
    ("d", "django_celery_beat_intervalschedule_add django_celery_beat_crontabschedule_add"),
    ("d", "django_celery_beat_periodictask_change"),
)


def addresses() -> Iterator[tuple[str, URLPattern]]:
    """Every named page of the admin."""

    def walk(resolver: URLResolver) -> Iterator[URLPattern]:
        for one in resolver.url_patterns:
            yield from walk(one) if isinstance(one, URLResolver) else [one]

    (site,) = [one for one in get_resolver().url_patterns if getattr(one, "app_name", "") == "admin"]
    yield from ((one.name, one) for one in walk(site) if one.name)


def arguments(name: str, pattern: URLPattern) -> dict[str, Any]:
    names = pattern.pattern.regex.groupindex
    draft = Revision.objects.get(status="draft")
    known: dict[str, Any] = {
        "pk": _row_of(name, draft),
        "number": 2, "part": "rules", "surface": "dating", "name": "new", "key": "spread",
        "member": "m-00001", "market": "lisbon",
        "app_label": "members", "content_type_id": ContentType.objects.get_for_model(User).pk,
        "id": User.objects.get(username="viewer").pk, "object_id": 1,
    }  # fmt: skip
    if name == "paced_rule":
        known["name"] = "welcome"
    if "object_id" in names and name != "view_on_site":
        kinds = {f"{one.app_label}_{one.model}": one for one in ContentType.objects.all()}
        kind = kinds[name.rpartition("_")[0]]
        row = kind.model_class().objects.order_by("pk").first()
        if kind.model == "user":
            row = User.objects.get(username="viewer")
        known["object_id"] = row.pk if row else 1
    return {one: known[one] for one in names}


def _row_of(name: str, draft: Revision) -> Any:
    if name == "delivery_replay":
        return Delivery.objects.order_by("pk").values_list("pk", flat=True)[0]
    if name in ("study_cancel", "study_progress"):
        return DraftStudy.objects.get().pk
    return Emergency.objects.get().pk if name == "emergency_review" else draft.pk


def let_in(client: Client, method: str, address: str) -> bool:
    """Whether the page opens, or the post is acted upon (or refused for its content alone)."""
    try:
        with transaction.atomic():
            answer = getattr(client, method)(address)
            transaction.set_rollback(True)
    except LookupError:
        return True
    assert answer.status_code < 500, f"{method} {address} broke: {answer.status_code}"
    to_the_login = answer.status_code == 302 and answer["Location"].startswith(reverse("admin:login"))
    return not to_the_login and answer.status_code not in (403, 404, 405)


@pytest.fixture
def town() -> None:
    build_town(members=12, days=1)
    for role in ROLES:
        ensure_staff(role, "a long pass phrase", role)
    limited = ensure_staff("limited", "a long pass phrase", "editor")
    SurfaceLimit.objects.create(user=limited, surfaces=["networking"])
    create_service_key("App", Scope.values)
    draft = Revision.objects.filter(status="draft").first()
    assert draft is not None
    DraftStudy.objects.create(revision=draft, version=1, sample=10, asked_by=None)
    Emergency.objects.create(
        release=live_release(), by=User.objects.get(username="editor"), reason="For a test"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("method", "expected"), [("get", MAY_SEE), ("post", MAY_DO)])
def test_every_address_lets_in_exactly_the_roles_that_the_table_names(town, method, expected):
    """A new address is open to nobody until the table says who may come in."""
    wrong = {}
    for name, pattern in addresses():
        address = reverse(f"admin:{name}", kwargs=arguments(name, pattern))
        found = "".join(
            letter for letter, name in LETTERS.items() if let_in(signed_in(name), method, address)
        )
        if found != expected.get(name, NOBODY):
            wrong[name] = f"lets in {found or 'nobody'} instead of {expected.get(name) or 'nobody'}"
    assert wrong == {}
    assert set(expected) <= {name for name, _ in addresses()}, "the table names an address that is gone"


def test_an_editor_of_one_surface_changes_nothing_of_another(db):
    editor = staff("editor")
    SurfaceLimit.objects.create(user=editor.user, surfaces=["dating"])
    draft = start_revision(actor=editor.user)
    edit_revision(draft, draft.version, {"dating.daily_cap": 150}, actor=editor.user)
    draft.refresh_from_db()
    others = (
        ("networking.daily_cap", 5, "the surface networking"),
        ("governance.small_reach", 0.01, "share"),
    )
    for path, value, what in others:
        with pytest.raises(Denied, match=what):
            edit_revision(draft, draft.version, {path: value}, actor=editor.user)
    draft.refresh_from_db()
    assert draft.content["surfaces"]["dating"]["daily_cap"] == 150
    assert draft.content["surfaces"]["networking"] == live_release().content["surfaces"]["networking"]
    edit_revision(draft, draft.version, {"networking.daily_cap": 5})
    draft.refresh_from_db()
    with pytest.raises(Denied, match="the surface networking"):
        discard_revision(draft, draft.version, actor=editor.user)
    discard_revision(draft, draft.version, actor=None)
    with pytest.raises(Denied, match="the surface networking"):
        bring_back(draft, actor=editor.user)
    draft.refresh_from_db()
    assert draft.status == "discarded"


def foreign_forms(draft: Revision) -> list[tuple[str, dict[str, str]]]:
    """Addresses of what somebody limited to dating may not change in this draft, and what they type there."""
    rules = [draft.pk, "rules", "networking"]
    segments = [draft.pk, "segments", "dating"]
    rule_typed = {"id": "mine", "name": "Mine", "reason": "A test"}
    return [
        (reverse("admin:draft_edit", args=[draft.pk, "networking"]), {"diversity": "0.33"}),
        (reverse("admin:draft_market", args=[draft.pk, "networking", "lisbon"]), {"diversity": "0.33"}),
        (reverse("admin:draft_governance", args=[draft.pk]), {"small_reach": "0.1"}),
        (reverse("admin:draft_entry", args=[*rules, "new"]), rule_typed),
        (reverse("admin:draft_entry", args=[*rules, "theirs"]), {"name": "Mine"}),
        (reverse("admin:draft_entry", args=[*segments, "new"]), {"key": "mine", "name": "M", "reason": "r",
                                                                 "condition": json.dumps(OLD)}),
    ]  # fmt: skip


def test_a_limited_editor_reads_the_forms_of_other_surfaces_and_saves_none(db):
    """Also where a form is posted by hand: the answer is a page that says whose it is."""
    Market.objects.create(key="lisbon", name="Lisbon", latitude=38.7, longitude=-9.1)
    editor = staff("editor")
    SurfaceLimit.objects.create(user=editor.user, surfaces=["dating"])
    draft = start_revision(actor=editor.user)
    edit_revision(draft, draft.version, {"networking.rules": [rule(id="theirs")]})
    draft.refresh_from_db()
    said = "You may change dating only, not "
    for address, typed in foreign_forms(draft):
        page = editor.get(address).content.decode()
        assert said in page, address
        assert '<fieldset class="rc-plain" disabled>' in page, address
        assert "Save in the draft" not in page, address
        answer = editor.post(address, inputs_of(page) | typed)
        assert (answer.status_code, said in answer.content.decode()) == (403, True), address
    remove = reverse("admin:draft_entry_remove", args=[draft.pk, "rules", "networking", "theirs"])
    assert editor.post(remove, {"version": draft.version}).status_code == 403
    before = draft.content
    draft.refresh_from_db()
    assert draft.content == before


def test_a_limited_editor_is_offered_what_is_theirs_alone(db):
    editor = staff("editor")
    SurfaceLimit.objects.create(user=editor.user, surfaces=["dating"])
    draft = start_revision(actor=editor.user)
    edit_revision(draft, draft.version, {"networking.rules": [rule()], "dating.rules": [rule()]})
    page = editor.get(reverse("admin:draft_entries", args=[draft.pk, "rules"])).content.decode()
    assert reverse("admin:draft_entry", args=[draft.pk, "rules", "dating", "newcomers"]) in page
    assert reverse("admin:draft_entry", args=[draft.pk, "rules", "networking", "newcomers"]) not in page
    page = editor.get(reverse("admin:draft_entry", args=[draft.pk, "experiments", "dating", "new"]))
    assert "Save in the draft" in page.content.decode()
    page = editor.get(reverse("admin:draft_edit", args=[draft.pk, "dating"])).content.decode()
    assert "Save and review" in page


def test_nobody_takes_away_their_own_limit(db):
    both, other = staff("administrator"), staff("editor")
    both.user.groups.add(Group.objects.get(name="Editor"))
    for user in (both.user, other.user):
        SurfaceLimit.objects.create(user=user, surfaces=["dating"])
        address = reverse("admin:auth_user_change", args=[user.pk])
        form = inputs_of(both.get(address).content.decode())
        both.post(address, form | {"surface_limit-0-DELETE": "on"})
        assert SurfaceLimit.objects.filter(user=user).exists() == (user == both.user)


def test_a_right_taken_out_of_the_code_is_gone_after_the_next_migrate(db):
    viewer = Group.objects.get(name="Viewer")
    right = Permission.objects.get(codename="publish_release")
    viewer.permissions.add(right)
    ensure_roles()
    assert right not in viewer.permissions.all()


def signed_in(name: str) -> Client:
    client = Client(raise_request_exception=False)
    if name:
        client.force_login(User.objects.get(username=name))
    return client
