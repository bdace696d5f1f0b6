"""`keyshift keymap show`: what a keymap means, without how it was written."""

import sys
from pathlib import Path

import pytest

from keymap.rules import load_keymap
from keyshift.cli.main import run
from tests.keymap.keymaps import TEXT


def shown(file: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    file.write_text(text)
    assert run(["keymap", "show", str(file)]) == 0
    return capsys.readouterr().out


def test_two_keymaps_of_one_meaning_look_the_same_and_what_is_shown_is_one_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(tmp_path / "a.yaml", TEXT, capsys)
    other = TEXT.replace("types: {vip: BOOL}", "nulls: omit  # as ever\n      types:\n        vip: 'BOOL'")
    assert shown(tmp_path / "b.yaml", other, capsys) == out
    assert out.startswith("# digest 2af145ce1351435d\nkeyshift: 1\ntargets:\n  purchases:\n")
    assert shown(tmp_path / "c.yaml", out, capsys) == out
    assert load_keymap(tmp_path / "c.yaml").digest == "2af145ce1351435d"


def test_modules_whose_text_counts_in_the_digest_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "hooks_of_show.py").write_text("def same(row):\n    return row\n")
    hook = "types: {vip: BOOL}\n      hook: {call: 'hooks_of_show:same'}"
    out = shown(tmp_path / "a.yaml", TEXT.replace("types: {vip: BOOL}", hook), capsys)
    assert out.splitlines()[1] == "# counts in it: the text of module hooks_of_show"
    assert '      hook: {call: "hooks_of_show:same"}\n' in out


def test_a_keymap_with_mistakes_is_refused_as_by_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(TEXT.replace("sk: PROFILE", "sort: PROFILE"))
    assert run(["keymap", "show", str(tmp_path / "a.yaml")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "a.yaml:22" in err
