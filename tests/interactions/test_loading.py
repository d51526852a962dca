"""Members and events from files: every line gets its due, every error its line number."""

import gzip
from io import StringIO
from pathlib import Path

import orjson
import pytest
from django.core.management import CommandError, call_command

from apps.interactions.models import Event
from apps.members.models import Member
from apps.members.selectors import member_body, member_by_id
from tests.interactions.world import event, london, people, profile, relationships

pytestmark = pytest.mark.django_db
CSV = """id,display_name,status,birth_date,seeking,home.latitude,home.longitude,interests.film,age_min
a,"Ann, the first",active,1990-01-31,man|woman,51.5,-0.12,0.5,20
b,Bob,,,"[""man""]",,,,
"""


def load(command: str, file: Path, *options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command(command, str(file), *options, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue() + str(error)
    return out.getvalue(), err.getvalue()


def lines(path: Path, *rows: object) -> Path:
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else orjson.dumps(row) for row in rows))
    return path


def test_json_lines_are_loaded_and_again_updated(tmp_path: Path) -> None:
    file = lines(tmp_path / "m.jsonl", profile(id="a"), b"", profile(id="b"))
    assert load("load_members", file) == ("2 created\n", "")
    assert load("load_members", file) == ("2 updated\n", "")


def test_gzip_and_a_dry_run(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl.gz"
    file.write_bytes(gzip.compress(orjson.dumps(profile(id="a"))))
    assert "1 good (dry run: nothing written)" in load("load_members", file, "--dry-run")[0]
    assert not Member.objects.exists()
    assert "1 created" in load("load_members", file)[0]
    file.write_bytes(file.read_bytes()[:-12])
    assert str(file) in load("load_members", file)[1]


def test_errors_name_their_lines_and_the_rest_is_loaded(tmp_path: Path) -> None:
    rows = [profile(id="a"), b"{broken", profile(), profile(id="b", age_min=3), b"[1]", profile(id="c")]
    out, err = load("load_members", lines(tmp_path / "m.jsonl", *rows))
    assert "2 created, 4 rejected" in out
    assert "line 2: invalid_json" in err
    assert "line 3: missing (id)" in err
    assert "line 4: out_of_range (age_min)" in err
    assert "line 5: wrong_type" in err
    assert err.endswith("4 of 6 lines were rejected.")


def test_the_first_20_errors_are_printed_and_the_rest_counted(tmp_path: Path) -> None:
    _, err = load("load_members", lines(tmp_path / "m.jsonl", *[b"{"] * 50))
    assert err.count("invalid_json") == 20
    assert err.endswith("50 of 50 lines were rejected.")


def test_csv_reads_lists_and_keys_inside_keys(tmp_path: Path) -> None:
    london()
    file = tmp_path / "m.csv"
    file.write_text("\ufeff" + CSV)
    assert load("load_members", file) == ("2 created\n", "")
    ann = member_body(member_by_id("a"))
    assert (ann["display_name"], ann["seeking"], ann["age_min"]) == ("Ann, the first", ["man", "woman"], 20)
    assert ann["interests"] == {"film": 0.5}
    assert ann["home"]["market"] == "london"
    assert member_by_id("b").seeking == ["man"]


def test_a_csv_with_wrong_cells_says_which(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_bytes(b"id,display_name,age_min\na,Ann,old\nb,B\xff,20\nc,Cat\n")
    _, err = load("load_members", file)
    assert "line 2: wrong_type (age_min)" in err
    assert "line 3: invalid_text (display_name)" in err
    assert "line 4: invalid_csv" in err
    file.write_text("id,nick\na,b\n")
    assert "there is no column 'nick'" in load("load_members", file)[1]


def test_events_of_any_age_are_loaded_once(tmp_path: Path) -> None:
    n = people("ann", "bob")
    rows = [event(t, "ann", "bob", minute=-60 * 24 * 900 + i) for i, t in enumerate(("like", "pass"))]
    file = lines(tmp_path / "e.jsonl", *(row.model_dump(mode="json") for row in rows), {"id": "x"})
    out, err = load("load_events", file)
    assert "2 accepted, 1 rejected" in out
    assert "line 3: " in err
    assert "2 duplicate, 1 rejected" in load("load_events", file)[0]
    assert Event.objects.count() == 2
    assert relationships() == {(n["ann"], n["bob"], "dating"): "passed"}


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("load_events", str(tmp_path / "none.jsonl"))
