"""Whoever was erased gets no list, though a process still knows them: their blocks went with them."""

import pytest

from apps.common import online
from apps.common.errors import NotFound
from apps.common.valkey import background_client
from apps.delivery.runtime import Runtime
from apps.delivery.services import explain, rank, recommend
from apps.interactions import rebuild
from apps.interactions.services import erase_member
from tests.delivery.conftest import number
from tests.delivery.test_stores_away import block, uncapped


@pytest.fixture
def lagging(serving: Runtime) -> Runtime:
    """Knows adam, and goes on knowing him: it follows no changes any more."""
    uncapped()
    serving.poll()
    block("bea", "adam")
    serving.stop()
    return serving


def nobody_is_listed(surface: str = "dating") -> None:
    with pytest.raises(NotFound) as refusal:
        recommend(surface=surface, member="adam", limit=5)
    assert refusal.value.code == "unknown_member"


@pytest.mark.parametrize("surface", ["dating", "travel"])
def test_as_valkey_says(lagging: Runtime, surface: str) -> None:
    erase_member("adam")
    lagging._renew_belief()
    nobody_is_listed(surface)
    with pytest.raises(NotFound):
        rank(surface="dating", member="adam", candidates=["bea"], dry_run=True)
    with pytest.raises(NotFound):
        explain(surface="dating", viewer="adam", candidate="bea")


@pytest.mark.parametrize("surface", ["dating", "travel"])
def test_as_postgres_says_where_valkey_is_not_believed(lagging: Runtime, surface: str) -> None:
    erase_member("adam")
    background_client().delete(online.MARKER)
    nobody_is_listed(surface)


def test_after_a_rebuild(lagging: Runtime) -> None:
    adam = number("adam")
    erase_member("adam")
    assert rebuild.rebuild()
    lagging._renew_belief()
    assert lagging.world.viewer_row("dating", adam) is not None
    nobody_is_listed()


def test_whatever_is_told_of_them_afterwards(lagging: Runtime) -> None:
    adam = number("adam")
    erase_member("adam")
    online.merge(background_client(), {online.global_key(adam): [(number("bea"), online.CONNECTED, 1, 5.0)]})
    lagging._renew_belief()
    nobody_is_listed()
