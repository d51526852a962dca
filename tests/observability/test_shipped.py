"""Rules, dashboard and runbooks as files: they fit each other, and every alert can fire."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from prometheus_client import Counter, Gauge, Histogram

from apps.common import metrics
from raya_recs.env import BASE_DIR
from tests.observability.promql import metric_names
from tests.observability.shipped import PROMETHEUS, RUNBOOKS, alert_tests, alerts, expressions, panels, rules

PROMTOOL = shutil.which("promtool")
# It is no package of the index: `.ci/run` fetches Debian's, or says that it couldn't. Names, links and
# panels are checked without it; it alone can tell whether a rule fires.
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not here (Debian's package prometheus has it)"
)
ENDS = {Counter: ("_total",), Histogram: ("_bucket", "_count", "_sum"), Gauge: ("",)}
HEADINGS = ["## What it means", "## What members notice", "## Look", "## Do"]


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        [str(PROMTOOL), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def registered() -> set[str]:
    return {
        f"{metric._name}{end}"
        for metric in vars(metrics).values()
        for kind, ends in ENDS.items()
        if isinstance(metric, kind)
        for end in ends
    }


@needs_promtool
def test_prometheus_reads_the_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", "rules.yml")
    promtool("check", "config", "--syntax-only", "prometheus.yml")


@needs_promtool
@pytest.mark.slow
def test_every_alert_fires_when_it_should_and_none_while_all_is_well() -> None:
    promtool("test", "rules", "rules_test.yml")


def test_every_alert_has_a_test_that_it_fires_and_one_that_it_does_not() -> None:
    fires = {test["alertname"] for test in alert_tests() if test["exp_alerts"]}
    keeps_quiet = {test["alertname"] for test in alert_tests() if not test["exp_alerts"]}
    assert fires == keeps_quiet == set(alerts())


def test_rules_and_dashboard_name_only_metrics_that_there_are() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for text in expressions() for name in metric_names(text)}
    assert asked <= registered()
    named = {word for text in expressions() for word in re.findall(r"raya_recs:[\w:]+", text)}
    assert named <= recorded


def test_every_metric_is_looked_at_by_somebody() -> None:
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", name) for text in expressions() for name in metric_names(text)
    }
    kept = {re.sub(r"_(bucket|count|sum)$", "", name) for name in registered()}
    assert kept - asked == set()


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(alerts())
    for name, rule in alerts().items():
        assert (BASE_DIR / rule["annotations"]["runbook"]) == RUNBOOKS / f"{name}.md"
        assert rule["labels"]["severity"] in ("page", "ticket")
    listed = re.findall(r"\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text())
    assert listed == list(alerts()), "the list of runbooks has the order of the rules"


@pytest.mark.parametrize("name", alerts())
def test_a_runbook_says_what_it_means_what_members_notice_where_to_look_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == HEADINGS
    commands = set(re.findall(r"manage\.py (\w+)", text))
    there = {path.stem for path in BASE_DIR.glob("*/**/management/commands/*.py")}
    assert commands <= there | {"migrate", "shell"}


def test_every_alert_is_on_the_dashboard_by_its_metrics() -> None:
    shown = {
        name for panel in panels() for target in panel["targets"] for name in metric_names(target["expr"])
    }
    for name, rule in alerts().items():
        names = metric_names(rule["expr"])
        assert not names or names & shown, name
