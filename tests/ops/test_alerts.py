"""The rules that wake somebody: about figures that exist, and with a page on what to do."""

import re
import time
from pathlib import Path

import pytest
import yaml

from mealquest.ops import figures
from tests.factories.http import client_of
from tests.factories.outside import ask
from tests.factories.wallet import make_fixture_customer
from tests.ops.test_metrics import read

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


def test_every_figure_of_the_rules_is_told(app) -> None:
    told = client_of(app).get("/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", told, re.MULTILINE))
    names = kinds.keys() | {f"{name}_bucket" for name, kind in kinds.items() if kind == "histogram"}
    asked = {name for rule in RULES for name in re.findall(r"mealquest_\w+", rule["expr"])}

    assert asked - names == set()
    assert len(RULES) >= 20


def test_every_rule_says_what_to_do_under_a_heading_that_exists() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    headings = set(re.findall(r"^#+ (.+)$", page, re.MULTILINE))
    assert {rule["annotations"]["do"] for rule in RULES} - headings == set()


def test_what_waits_is_told_in_seconds(app, monkeypatch) -> None:
    monkeypatch.setattr(figures, "_next_look", 0.0)
    ask(make_fixture_customer(), 52)  # leaves an event and rows of the audit

    told = read(client_of(app))
    assert told["mealquest_outbox_oldest_seconds", ()] > 0
    assert told["mealquest_audit_unsealed_seconds", ()] > 0
    assert told["mealquest_messages_oldest_seconds", ()] == 0
    assert ("mealquest_replication_slots", (("state", "inactive"),)) in told
    assert 0 < told["mealquest_disk_free_ratio", (("directory", "data"),)] < 1


def test_the_age_of_the_newest_backup_is_told(app, tmp_path, monkeypatch) -> None:
    settings = app.config["SETTINGS"].model_copy(update={"backup_dir": tmp_path})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    for written, age in (("", float("inf")), (str(int(time.time()) - 3600), 3600)):
        (tmp_path / figures.NEWEST).write_text(written)
        monkeypatch.setattr(figures, "_next_look", 0.0)
        told = read(client_of(app))["mealquest_backup_age_seconds", ()]
        assert told == pytest.approx(age, abs=60)
