from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.delivery.runtime import Runtime
from apps.interactions.copier import copy_all


def output(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_recommend_prints_a_table_and_reserves_nothing(serving: Runtime) -> None:
    printed = output("recommend", "adam", "--surface", "dating", "--explain")
    assert "dating for adam: release 1" in printed
    assert "cleo" in printed
    assert "5 fewer than asked: pool_exhausted" in printed
    assert copy_all() == 0


def test_explain_says_what_stands_in_the_way(serving: Runtime) -> None:
    assert "Nobody is shown to themselves" in output("explain", "adam", "adam", "--private")
    assert "shown, at rank" in output("explain", "adam", "bea", "--surface", "dating")


def test_an_unknown_member_is_one_clear_line(serving: Runtime) -> None:
    with pytest.raises(CommandError, match="There is no such member"):
        output("recommend", "nobody")
