"""What a process shows of itself: figures as Prometheus and CloudWatch read them, and whether it is well."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdc.metrics import METRICS as CAPTURE
from keymap.errors import KeyshiftError
from keyshift.apply.invocation import OWN
from keyshift.apply.tally import METRICS as APPLY
from keyshift.apply.tidy_tally import METRICS as TIDYING
from keyshift.cli.demo.child import free_port
from keyshift.process import log, metrics
from keyshift.process.metric import Metric, as_dimension
from keyshift.process.metrics import LOOP_SECONDS_MAX, Board, Increases, exposition, reported
from keyshift.process.tasks import MetricsSettings

TWO = (
    Metric("keyshift_lag_seconds", "gauge", "Seconds", "how far behind"),
    Metric("keyshift_rows_total", "counter", "Count", "rows"),
)


ALL = (*CAPTURE, *APPLY, *TIDYING, *OWN)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def board(clock: Clock | None = None) -> Board:
    return Board(TWO, migration="shop", owner="host:1", clock=clock or Clock())


@contextmanager
def served(shown: Board) -> Iterator[int]:
    port = free_port()
    with reported(shown, MetricsSettings(port=port)):
        yield port


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_figures_are_told_as_prometheus_reads_them() -> None:
    shown = board()
    shown.show({"keyshift_lag_seconds": 1.5, "keyshift_rows_total": 12_345_678_901})
    assert exposition(shown) == (
        "# HELP keyshift_lag_seconds how far behind\n"
        "# TYPE keyshift_lag_seconds gauge\n"
        'keyshift_lag_seconds{migration="shop"} 1.5\n'
        "# HELP keyshift_rows_total rows\n"
        "# TYPE keyshift_rows_total counter\n"
        'keyshift_rows_total{migration="shop"} 12345678901\n'
    )


def test_what_is_not_known_is_left_out_and_not_zero() -> None:
    shown = board()
    shown.show({"keyshift_lag_seconds": None})
    assert "{" not in exposition(shown)
    assert Increases(shown).event(1)["_aws"]["CloudWatchMetrics"][0]["Metrics"] == []


def test_cloudwatch_finds_the_same_names_in_the_log() -> None:
    shown = board()
    shown.show({"keyshift_lag_seconds": 1.5})
    assert Increases(shown).event(1_700_000_000_000) == {
        "_aws": {
            "Timestamp": 1_700_000_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Keyshift",
                    "Dimensions": [["migration"]],
                    "Metrics": [{"Name": "keyshift_lag_seconds", "Unit": "Seconds"}],
                }
            ],
        },
        "migration": "shop",
        "keyshift_lag_seconds": 1.5,
    }


def test_of_a_counter_cloudwatch_is_told_what_it_grew_by() -> None:
    """It adds up what arrives, from however many processes; a counter that begins anew has grown by all it counts."""
    shown = board()
    told = Increases(shown)
    for value, grown in ((5, 5), (7, 2), (7, 0), (3, 3)):
        shown.show({"keyshift_rows_total": value, "keyshift_lag_seconds": 1.5})
        event = told.event(1)
        assert (event["keyshift_rows_total"], event["keyshift_lag_seconds"]) == (grown, 1.5)
    shown.enter("standing_by")
    assert "keyshift_rows_total" not in told.event(1)
    shown.show({"keyshift_rows_total": 4})
    assert told.event(1)["keyshift_rows_total"] == 1


def test_a_dimension_is_ascii() -> None:
    assert as_dimension("shop.größe") == "shop.gr\\xf6\\xdfe"


def test_the_log_has_a_line_each_minute_and_a_last_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "EMF_SECONDS", 0.05)
    log.configure(json=True, migration="shop")
    shown = board()
    shown.show({"keyshift_rows_total": 7})
    with reported(shown, MetricsSettings(emf=True)):
        pass
    (*_, last) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert last["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Keyshift"
    assert (last["migration"], last["keyshift_rows_total"], last["event"]) == ("shop", 7, "metrics")


def test_figures_begin_anew_with_a_new_state() -> None:
    """A standby must not go on showing the lag that it had when it lost its lease."""
    shown = board()
    shown.show({"keyshift_lag_seconds": 1.5})
    shown.enter("standing_by", keyshift_rows_total=0)
    assert shown.values() == {"keyshift_rows_total": 0}


def test_what_grows_by_itself_is_asked_for_when_somebody_looks() -> None:
    ages = iter([1.5, None, 3.0])
    shown = Board(TWO, migration="shop", owner="host:1", also=lambda: {"keyshift_lag_seconds": next(ages)})
    shown.enter("capturing", keyshift_rows_total=1)
    assert [shown.values().get("keyshift_lag_seconds") for _ in range(3)] == [1.5, None, 3.0]


def test_a_process_is_well_while_its_loops_move() -> None:
    clock = Clock()
    shown = board(clock)
    shown.enter("capturing")
    with served(shown) as port:
        shown.moved("sending")
        clock.now += LOOP_SECONDS_MAX
        shown.moved("remembering")
        status, text = get(port, "/healthz")
        assert (status, json.loads(text)["loops"]) == (200, {"sending": LOOP_SECONDS_MAX, "remembering": 0.0})
        clock.now += 1
        status, text = get(port, "/healthz")
        answer = json.loads(text)
        assert (status, answer["healthy"], answer["stalled"]) == (503, False, ["sending"])
        assert (answer["migration"], answer["owner"]) == ("shop", "host:1")
        shown.over("sending")
        assert get(port, "/healthz")[0] == 200


def test_a_standby_is_well_and_says_so() -> None:
    shown = board()
    shown.moved("sending")
    shown.enter("standing_by")
    with served(shown) as port:
        status, text = get(port, "/healthz")
    answer = json.loads(text)
    assert (status, answer["state"], answer["loops"]) == (200, "standing_by", {})


def test_metrics_are_served_and_nothing_else_is() -> None:
    shown = board()
    shown.show({"keyshift_rows_total": 3})
    with served(shown) as port:
        assert get(port, "/metrics") == (200, exposition(shown))
        assert get(port, "/")[0] == 404
    with pytest.raises(ConnectionRefusedError):
        get(port, "/metrics")


def test_nothing_listens_unless_a_port_is_given() -> None:
    assert MetricsSettings().port is None
    with reported(board(), MetricsSettings()):
        pass


def test_a_port_that_is_taken_is_refused_with_the_way_on() -> None:
    """Else the health check of the second daemon on a host would be answered by the first."""
    with served(board()) as port:
        second = reported(board(), MetricsSettings(port=port))
        with pytest.raises(KeyshiftError, match=f"127.0.0.1:{port}") as refused:
            second.__enter__()
    assert "KEYSHIFT_METRICS__PORT" in refused.value.remedy


def test_a_client_that_says_nothing_does_not_hold_up_the_others() -> None:
    with served(board()) as port, socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/healthz")[0] == 200


def test_every_metric_is_in_the_manual_as_it_is_here() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = [line for line in manual.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{metric.name}` | {metric.kind} | {metric.meaning} |" for metric in ALL]
    assert f"not moved for {LOOP_SECONDS_MAX:.0f}" in " ".join(manual.split())


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_are_those_that_prometheus_likes(metric: Metric) -> None:
    assert re.fullmatch(r"keyshift_(capture|apply)_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    for unit, word in (("Seconds", "_seconds"), ("Bytes", "_bytes")):
        assert (metric.unit == unit) == (word in metric.name)
    assert "\n" not in metric.meaning
    assert "|" not in metric.meaning
