"""`keyshift keymap from-dms`: the keymap on standard output, what is left out on standard error, and an exit code."""

import json
from pathlib import Path

import pytest

from keymap.rules import parse_keymap
from keyshift.cli.main import run

pytestmark = pytest.mark.any_pair

SELECT = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "all",
    "object-locator": {"schema-name": "shop", "table-name": "%"},
    "rule-action": "include",
}
MAP = {
    "rule-type": "object-mapping",
    "rule-id": "2",
    "rule-name": "orders",
    "rule-action": "map-record-to-record",
    "object-locator": {"schema-name": "shop", "table-name": "orders"},
    "target-table-name": "orders_t",
    "mapping-parameters": {"partition-key-name": "id"},
}


def call(folder: Path, capsys: pytest.CaptureFixture[str], text: str, *options: str) -> tuple[int, str, str]:
    """Exit code, output and errors for a mapping's text."""
    (folder / "table-mappings.json").write_text(text)
    code = run(["keymap", "from-dms", str(folder / "table-mappings.json"), *options])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_a_mapping_that_is_carried_over_whole_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\ufeff" + json.dumps({"rules": [SELECT, MAP]})  # with the byte order mark of an editor
    code, out, err = call(tmp_path, capsys, text, "--tables", "shop.orders,shop.line:no:N")
    assert code == 0
    assert "left out" not in err
    assert "to look at: 1" in err
    assert list(parse_keymap(out, "keymap.yaml").tables) == ["shop.orders", "shop.line"]


def test_what_is_left_out_is_told_twice_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(tmp_path, capsys, json.dumps({"rules": [SELECT, MAP]}))
    assert code == 1
    assert "left out: 1" in err
    for place in (out, err):
        assert "rule 1 (all): which tables shop.% means is not known here" in place
        assert "do: Give the tables: --tables shop.TABLE" in place
    assert list(parse_keymap(out, "keymap.yaml").tables) == ["shop.orders"]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("{", (), ["table-mappings.json:1", "it is not JSON"]),
        ('{"rules": [{"rule-id": "7"}]}', (), ["rule 7", "no rule-type"]),
        (json.dumps({"rules": [SELECT]}), (), ["no table is left", "rule 1 (all)", "do: "]),
        (json.dumps({"rules": [SELECT, MAP]}), ("--tables", "orders"), ["--tables", "'orders' is no table"]),
    ],
)
def test_a_mapping_without_a_keymap_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, options: tuple[str, ...], words: list[str]
) -> None:
    code, out, err = call(tmp_path, capsys, text, *options)
    assert (code, out) == (2, "")
    assert all(word in err for word in words)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    for name in ("nowhere.json", "latin.json"):
        assert run(["keymap", "from-dms", str(tmp_path / name)]) == 2
        assert f"{name} cannot be read" in capsys.readouterr().err
