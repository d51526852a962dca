"""A tie that was hidden, deleted or blocked since the snapshot is behind no reason and proposes nobody."""

from collections.abc import Callable

import pytest

from apps.common.changes import record_changes
from apps.delivery.question import Prepared
from apps.delivery.ranking import request_of
from apps.delivery.runtime import Runtime
from apps.delivery.services import recommend
from apps.members.bodies import ConnectionBody
from apps.members.graph import delete_connection, put_connection
from apps.members.models import Member
from apps.pipeline.contracts import Request
from apps.places.models import Place
from apps.refresh.services import refresh
from apps.releases.services import edit_revision, start_revision
from tests.delivery.conftest import number
from tests.delivery.test_stores_away import block
from tests.refresh.rows import decide

MUTUAL = "1 mutual connection"


def member(name: str) -> Member:
    return Member.objects.get(external_id=name)


def tied(*pairs: tuple[str, str]) -> None:
    for pair in pairs:
        put_connection(*pair, ConnectionBody())


def blocks(actor: str, target: str) -> None:
    block(actor, target)
    record_changes("relationship.global", sorted([number(actor), number(target)]))


def hides(a: str, b: str) -> None:
    put_connection(a, b, ConnectionBody(visible=False))


def becomes_a_contact(a: str, b: str) -> None:
    put_connection(a, b, ConnectionBody.model_validate({"kind": "contact"}))


HOWS = pytest.mark.parametrize("lose", [hides, becomes_a_contact, delete_connection, blocks])
Lose = Callable[[str, str], None]


def shown(name: str, surface: str = "dating") -> dict[str, list[str]]:
    answer = recommend(surface=surface, member=name, limit=10, dry_run=True)
    return {item["id"]: item["reasons"] for item in answer["items"]}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    """The pipeline's request of a member's list."""
    seen: list[Request] = []

    def kept(prepared: Prepared) -> Request:
        seen.append(request_of(prepared))
        return seen[-1]

    monkeypatch.setattr("apps.delivery.ranking.request_of", kept)

    def ask(name: str, surface: str = "dating") -> Request:
        shown(name, surface)
        return seen[-1]

    return ask


@HOWS
@pytest.mark.parametrize("pair", [("adam", "fay"), ("fay", "bea")])
def test_a_lost_tie_makes_no_mutual_connection(serving: Runtime, lose: Lose, pair: tuple[str, str]) -> None:
    tied(("adam", "fay"), ("fay", "bea"), ("adam", "cleo"), ("cleo", "ella"))
    refresh()
    serving.poll(wait=True)
    assert MUTUAL in shown("adam")["bea"]
    lose(*pair)
    serving.poll()
    assert MUTUAL not in shown("adam").get("bea", [])
    assert MUTUAL in shown("adam")["ella"], "of others nothing was lost"


@pytest.fixture
def walked(serving: Runtime) -> None:
    """A draft asks for PageRank, so that the next refresh walks."""
    edit_revision(start_revision(actor=None), 1, {"dating.quotas.pagerank": 12})


@pytest.mark.usefixtures("walked")
@HOWS
@pytest.mark.parametrize("pair", [("adam", "fay"), ("fay", "bea"), ("bea", "cleo")])
def test_no_walk_goes_over_a_lost_tie(
    serving: Runtime, asked: Callable[..., Request], lose: Lose, pair: tuple[str, str]
) -> None:
    tied(("adam", "fay"), ("fay", "bea"), ("bea", "cleo"))
    refresh()
    serving.poll(wait=True)
    assert number("cleo") in asked("adam").near[0]
    lose(*pair)
    serving.poll()
    assert number("cleo") not in asked("adam").near[0]


@pytest.mark.usefixtures("walked")
def test_no_walk_goes_over_a_match_to_a_lost_tie(serving: Runtime, asked: Callable[..., Request]) -> None:
    decide(member("adam"), member("fay"), "matched")
    decide(member("fay"), member("adam"), "matched")
    tied(("fay", "bea"), ("bea", "cleo"))
    refresh()
    serving.poll(wait=True)
    assert number("cleo") in asked("adam").near[0]
    hides("fay", "bea")
    serving.poll()
    assert not len(asked("adam").near[0])


def test_a_friend_who_was_lost_recommends_no_place(serving: Runtime) -> None:
    tied(("adam", "fay"), ("adam", "bea"))
    for name in ("fay", "bea"):
        decide(member(name), Place.objects.get(external_id="bar"), "saved", surface="travel")
    refresh()
    serving.poll(wait=True)
    assert any("2 of your connections" in reason for reason in shown("adam", "travel")["bar"])
    hides("adam", "fay")
    serving.poll()
    assert not any("connections" in reason for reason in shown("adam", "travel")["bar"])


def test_ties_that_stand_are_walked_though_they_were_sent_again(serving: Runtime) -> None:
    tied(("adam", "fay"), ("fay", "bea"))
    refresh()
    serving.poll(wait=True)
    tied(("adam", "fay"), ("fay", "bea"), ("fay", "cleo"))
    serving.poll()
    assert len(serving.world.overlay.untied) == 0
    assert MUTUAL in shown("adam")["bea"]


def test_a_process_that_starts_after_the_loss_knows_of_it(serving: Runtime) -> None:
    tied(("adam", "fay"), ("fay", "bea"))
    refresh()
    delete_connection("fay", "bea")
    serving.poll(wait=True)
    assert MUTUAL not in shown("adam")["bea"]
