"""The daemon's figures and health, as a scraper sees them, on real servers."""

import json

import pytest

from keymap.position import file_number
from keyshift.cli.demo.child import free_port
from keyshift.process.settings import load_settings
from tests.cdc.world import World
from tests.process.test_metrics import get


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    number = free_port()
    monkeypatch.setenv("KEYSHIFT_METRICS__PORT", str(number))
    return number


def figures(port: int) -> dict[str, float]:
    lines = get(port, "/metrics")[1].splitlines()
    values = (line.replace('{migration="shop"}', "").split() for line in lines if not line.startswith("#"))
    return {name.removeprefix("keyshift_capture_"): float(value) for name, value in values}


def health(port: int) -> tuple[int, str, set[str]]:
    status, text = get(port, "/healthz")
    answer = json.loads(text)
    return status, answer["state"], set(answer["loops"])


def test_a_daemon_that_captures_shows_how_far_it_is(port: int, world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.execute("INSERT INTO orders VALUES (1, 7, 'new', NULL), (2, 7, 'new', NULL)")
        world.wait_caught_up()
        world.wait_until(lambda: figures(port).get("rows_total") == 2 and not figures(port)["outbox_bytes"], "figures")
        shown = figures(port)
        assert health(port) == (200, "capturing", {"sending", "remembering"})
    position = world.capture().checkpoint.position  # type: ignore[union-attr]
    assert (shown["active"], shown["position_file_number"]) == (1, file_number(position.file))
    assert 0 < shown["position_offset_bytes"] <= position.offset
    assert shown["records_total"] >= 2
    assert shown["sent_bytes_total"] > 0
    assert shown["lag_seconds"] < 5
    assert shown["source_silent_seconds"] < 5
    assert shown["checkpoint_age_seconds"] < 60
    assert (shown["in_flight_records"], shown["inbox_bytes"], shown["reconnects_total"]) == (0, 0, 0)
    assert len(shown) == 15, "every figure is there"


def test_a_standby_says_that_it_stands_by(port: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    second = free_port()
    monkeypatch.setenv("KEYSHIFT_METRICS__PORT", str(second))
    with world.daemon():
        world.wait_started()
        first, world.settings = world.settings, load_settings(world.folder / "keyshift.yaml")
        assert (first.metrics.port, world.settings.metrics.port) == (port, second)
        with world.daemon():
            world.wait_until(lambda: listens(second), "the second to listen")
            assert health(second) == (200, "standing_by", set())
            assert figures(second) == {"active": 0}
            assert figures(port)["active"] == 1


def listens(port: int) -> bool:
    try:
        return get(port, "/healthz")[0] == 200
    except ConnectionRefusedError:
        return False


def test_a_source_that_is_gone_shows_as_silence_and_lost_connections(port: int, world: World) -> None:
    with world.daemon():
        world.wait_started()
        world.database.stop()
        try:
            world.wait_until(lambda: figures(port)["reconnects_total"] >= 1, "a lost connection")
            world.wait_until(lambda: figures(port)["source_silent_seconds"] >= 1, "silence")
            assert health(port)[0] == 200, "waiting is what it should do"
        finally:
            world.database.start()
        world.wait_until(lambda: figures(port)["source_silent_seconds"] < 1, "the source to be back")
