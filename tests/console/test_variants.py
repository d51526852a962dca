"""Knobs and variants as rows of the form: picked, valued, added, removed, and refused beside their fields."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.releases import services
from apps.releases.models import Revision
from tests.console.test_knobs import learnt
from tests.console.test_rules import address, form_of, said, save
from tests.policies.examples import experiment, flag

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(editor: Client) -> Revision:
    parts = {
        "flags": [flag(overrides={"diversity": 0.4, "reciprocity": "product"})],
        "experiments": [experiment()],
    }
    return services.edit_revision(services.start_revision(actor=None), 1, parts)


@pytest.fixture
def at_flag(draft: Revision) -> str:
    return address(draft, "flags", "bolder")


@pytest.fixture
def at_experiment(draft: Revision) -> str:
    return address(draft, "experiments", "spread")


def post(client: Client, at: str, **values: Any) -> Any:
    """The form with these inputs; None: the input is gone."""
    data = form_of(client, at) | {name.replace("__", "."): value for name, value in values.items()}
    return client.post(at, {name: value for name, value in data.items() if value is not None})


def refused(answer: Any) -> list[str]:
    """Each refusal with the input it stands beside."""
    assert answer.status_code == 422
    form = answer.context["form"]
    fields = {one.path: one.refusal for one in form.fields if one.refusal}
    for one in (one for one in form.fields if one.path in ("variants", "overrides")):
        for row in one.rows:
            inner = getattr(row, "turns", None)
            fields |= {f"{row.name}.{part}": text for part, text in getattr(row, "refusals", {}).items()}
            fields |= {row.name: row.refusal} if row.refusal else {}
            fields |= {turn.name: turn.refusal for turn in (inner.rows if inner else []) if turn.refusal}
            fields |= {inner.path: inner.refusal} if inner and inner.refusal else {}
    assert not form.refusals, "all stand beside a field"
    return [f"{name}: {text}" for name, text in fields.items()]


def test_a_knob_of_a_prediction_is_offered_only_where_it_was_learnt(editor, at_flag):
    def offered(surface: str) -> set[str]:
        return {one["key"] for one in editor.get(at_flag).context["picks"][surface]}

    assert not {"weights.affinity", "weights.appeal"} & offered("dating")
    learnt("dating")
    assert {"weights.affinity", "weights.appeal"} <= offered("dating")
    assert "weights.affinity" not in offered("networking")
    assert "weights.activity" in offered("networking")


def test_a_knob_is_picked_from_a_list_that_says_its_sentence_bound_unit_and_value(editor, at_flag):
    page = editor.get(at_flag).content.decode()
    assert '<option value="diversity" selected>Diversity</option>' in page
    assert "1 by difference alone. From 0 to 1. Now: 0.1." in page
    assert "One of: harmonic, geometric, product, viewer_only. Now: harmonic." in page
    assert 'value="random_share"' not in page, "a share of viewers itself is no knob for some of them"


def test_values_are_stored_as_they_were_by_lines(editor, draft, at_flag):
    save(
        editor,
        at_flag,
        overrides__0__value="0.25",
        overrides__2__knob="hold_minutes",
        overrides__2__value="45",
    )
    (found,) = said(draft, "flags")
    assert found["overrides"] == {"diversity": 0.25, "hold_minutes": 45, "reciprocity": "product"}


def test_a_row_that_says_nothing_is_left_out_and_one_that_is_gone_is_gone(editor, draft, at_flag):
    gone = {"overrides__0__knob": None, "overrides__0__value": None}
    post(editor, at_flag, **gone, overrides__7__knob="", overrides__7__value="")
    assert said(draft, "flags")[0]["overrides"] == {"reciprocity": "product"}


def test_rows_are_added_and_removed_by_the_server_without_saving_or_losing_anything(editor, draft, at_flag):
    answer = post(editor, at_flag, name="Typed", add="overrides")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'name="overrides.2.knob"' in page
    assert 'value="Typed"' in page
    page = post(editor, at_flag, remove="overrides.0").content.decode()
    assert 'name="overrides.1.knob"' not in page
    assert said(draft, "flags")[0]["overrides"]["diversity"] == 0.4, "nothing was saved"


def test_variants_are_added_with_knobs_of_their_own_and_removed(editor, draft, at_experiment):
    page = post(editor, at_experiment, add="variants").content.decode()
    assert 'name="variants.2.key"' in page
    blank = {f"variants.2.{part}": "" for part in ("key", "name", "weight")}
    data = form_of(editor, at_experiment) | blank | {"add": "variants.2.overrides"}
    assert 'name="variants.2.overrides.0.knob"' in editor.post(at_experiment, data).content.decode()
    third = {"variants__2__key": "third", "variants__2__name": "Third", "variants__2__weight": "0.2"}
    turned = {"variants__2__overrides__0__knob": "exploration", "variants__2__overrides__0__value": "0.2"}
    assert post(editor, at_experiment, **third, **turned, variants__0__weight="0.3").status_code == 302
    variants = said(draft, "experiments")[0]["variants"]
    assert [one["weight"] for one in variants] == [0.3, 0.5, 0.2]
    assert variants[2]["overrides"] == {"exploration": 0.2}
    page = post(editor, at_experiment, remove="variants.1").content.decode()
    assert 'value="third"' in page
    assert 'name="variants.1.key" value="spread"' not in page


def test_the_control_changes_nothing_and_offers_no_knobs(editor, at_experiment):
    page = editor.get(at_experiment).content.decode()
    assert "Changes nothing: the others are compared with it." in page
    assert 'value="variants.0.overrides"' not in page
    assert 'value="variants.1.overrides"' in page


@pytest.mark.parametrize(
    ("values", "beside"),
    [
        ({"variants__1__overrides__0__value": "7"}, "variants.1.overrides.0: Must be between 0 and 1."),
        ({"variants__1__overrides__0__value": "much"}, "variants.1.overrides.0: Must be a number."),
        ({"variants__1__overrides__0__value": "nan"}, "variants.1.overrides.0: Must be a number."),
        (
            {"variants__1__overrides__0__knob": "quotas.curated"},
            "variants.1.overrides.0: There is no such knob.",
        ),
        ({"variants__1__overrides__0__knob": ""}, "variants.1.overrides.0: Pick a knob."),
        (
            {"variants__1__overrides__1__knob": "diversity", "variants__1__overrides__1__value": "0.2"},
            "variants.1.overrides.1: This knob is turned twice: say it once.",
        ),
        ({"variants__1__key": "Not A Slug"}, "variants.1.key: Lower-case letters"),
        ({"variants__1__key": "control"}, "variants.1.key: Another one is called control."),
        ({"variants__1__name": ""}, "variants.1.name: Must be 1 to 100 letters."),
        ({"variants__1__weight": "2"}, "variants.1.weight: Must be between 0.01 and 0.99."),
        ({"variants__1__weight": "0.4"}, "variants: Their weights must add up to 1."),
        (
            {"variants__0__overrides__0__knob": "diversity", "variants__0__overrides__0__value": "0.2"},
            "variants.0.overrides: The first variant is the control: it changes nothing.",
        ),
    ],
)
def test_a_refusal_stands_beside_its_row_and_nothing_is_saved(editor, draft, at_experiment, values, beside):
    before = said(draft, "experiments")
    found = refused(post(editor, at_experiment, name="Kept as typed", **values))
    assert any(one.startswith(beside) for one in found), found
    assert said(draft, "experiments") == before


def test_the_same_knob_twice_in_a_flag_is_refused_and_never_picked_by_chance(editor, draft, at_flag):
    answer = post(editor, at_flag, overrides__2__knob="diversity", overrides__2__value="0.9")
    assert refused(answer) == ["overrides.2: This knob is turned twice: say it once."]
    assert said(draft, "flags")[0]["overrides"]["diversity"] == 0.4
