"""The dashboard and the alerts ask for series that there are, with labels that they have."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.telemetry.metrics import METRICS, Metrics, exposition
from tests.docs.reading import ROOT, code_words

DASHBOARD: Final[dict[str, Any]] = json.loads((ROOT / "grafana/dashboard.json").read_text())
RULES: Final[list[dict[str, str]]] = [
    rule
    for group in yaml.safe_load((ROOT / "grafana/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS: Final[list[dict[str, Any]]] = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
PROMTOOL: Final = shutil.which("promtool")

_NAME: Final = re.compile(r"\b(?:gateway|gen_ai|process)[\w:]*|\bup\b")
_SELECTED: Final = re.compile(r"([\w:]+)\{([^}]*)\}")
_BY: Final = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_FROM_OUTSIDE: Final = {"job", "instance"}  # labels that Prometheus adds


def _queries() -> Iterator[str]:
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (note["expr"] for note in DASHBOARD["annotations"]["list"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    yield from (rule["expr"] for rule in RULES)


def _scraped() -> dict[str, set[str]]:
    """Every series' name with its labels, those of the process and of Prometheus included."""
    series: dict[str, set[str]] = {"up": set()}
    for name, definition in METRICS.items():
        labels = set(definition.labels)
        if definition.kind == "histogram":
            series |= {f"{name}_bucket": {*labels, "le"}, f"{name}_sum": labels}
            series |= {f"{name}_count": labels}
        else:
            series[name] = labels
    text = exposition([Metrics()]).decode()
    series |= {name: set() for name in re.findall(r"^(process_\w+) ", text, re.MULTILINE)}
    series |= {rule["record"]: set() for rule in RULES if "record" in rule}
    return series


SCRAPED: Final = _scraped()
QUERIES: Final = list(_queries())


def _faults(query: str) -> list[str]:
    """What a query asks for that is not there."""
    bare = re.sub(r'"[^"]*"', '""', query)  # what is in quotes is no name
    names = set(_NAME.findall(re.sub(_BY, "", re.sub(r"\{[^}]*\}", "", bare))))
    faults = [name for name in names if name not in SCRAPED]
    for name, selector in _SELECTED.findall(bare):
        labels = set(re.findall(r"(\w+)\s*(?:=|!)", selector))
        faults += [f"{name}{{{label}}}" for label in labels - SCRAPED[name] - _FROM_OUTSIDE]
    known = set().union(*(SCRAPED.get(name, set()) for name in names)) | _FROM_OUTSIDE
    grouped = {label.strip() for inside in _BY.findall(bare) for label in inside.split(",")}
    return faults + [f"by ({label})" for label in grouped - known]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query: str) -> None:
    assert _NAME.search(query)
    assert _faults(query) == []


@pytest.mark.parametrize(
    "query",
    [
        "rate(gateway_request_total[5m])",
        'gateway_requests_total{modell="x"}',
        "sum by (backend) (gateway_requests_total)",
        "gateway:error_ratio:rate7m > 1",
    ],
)
def test_a_query_for_what_there_is_not_is_noticed(query: str) -> None:
    assert _faults(query)


def test_the_dashboard_shows_what_was_promised() -> None:
    shown = {name for query in QUERIES for name in _NAME.findall(query)}
    for name in (
        "gateway_requests_total",
        "gateway_request_duration_seconds_bucket",
        "gateway_overhead_seconds_bucket",
        "gen_ai_client_operation_time_to_first_chunk_seconds_bucket",
        "gateway_upstream_attempts_total",
        "gateway_streams_interrupted_total",
        "gateway_backend_inflight",
        "gateway_open_streams",
        "gateway_config_info",
        "gateway_event_loop_lag_seconds",
    ):
        assert name in shown


def test_panels_have_a_number_of_their_own_and_do_not_overlap() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        columns, rows = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_every_alert_is_explained_and_every_explanation_has_one() -> None:
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    section = (ROOT / "docs/operations.md").read_text().partition("## Alerts")[2]
    assert alerts == {word for word in code_words(section) if word.startswith("Gateway")}


# ---- with Prometheus' own tool, where it is installed


def _promtool(*arguments: str | Path) -> None:
    if PROMTOOL is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    answer = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_alerts_fire_when_they_should() -> None:
    _promtool("test", "rules", ROOT / "tests/docs/alerts_test.yaml")


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    queries = [query for query in QUERIES if not query.startswith("label_values(")]
    asked = [query.replace("$__rate_interval", "5m") for query in queries]
    rules = [{"record": f"q{n}", "expr": query} for n, query in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    _promtool("check", "rules", file)
