"""The function's archive: the same each time, for both architectures, and what is missing is told when it is built."""

import re
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from keymap.errors import KeyshiftError
from keymap.rules import load_keymap
from keyshift.deploy import archive, wheels
from keyshift.deploy.imports import needs
from tests.deploy.archives import KEYMAP, OTHER, project, zipped
from tests.deploy.rendered import ROOT

pytestmark = pytest.mark.any_pair


def test_two_builds_are_the_same_and_hold_what_the_function_needs_and_no_more(tmp_path: Path) -> None:
    folder = project(tmp_path)
    built = [zipped(folder, name, "--architecture", OTHER, "--hooks", "more") for name in ("one.zip", "two.zip")]
    assert [one.returncode for one in built] == [0, 0], built[0].stderr
    assert (folder / "one.zip").read_bytes() == (folder / "two.zip").read_bytes()
    assert re.search(r"^sha256 [0-9a-f]{64}, keymap [0-9a-f]{16}$", built[0].stdout, re.MULTILINE)
    assert f"it is for {OTHER}" in built[0].stdout or "there is no Python" in built[0].stdout
    with zipfile.ZipFile(folder / "one.zip") as opened:
        entries = opened.infolist()
        machines = {
            PurePosixPath(one.filename).parts[0]: int.from_bytes(opened.read(one)[18:20], "little")  # e_machine
            for one in entries
            if one.filename.endswith(".so")
        }
    names = {one.filename for one in entries}
    assert {one.date_time for one in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {one.external_attr >> 16 for one in entries} == {0o644}
    assert {"apply_stream.py", "keymap/rules.py", "shop_hooks.py", "beside_it.py", "helper.py"} <= names
    tops = {PurePosixPath(name).parts[0] for name in names}
    assert {"boto3", "botocore", "orjson", "pydantic_core", "yaml", "structlog", "tzdata"} <= tops
    assert not {"cdc", "bulkload", "pymysql", "click", "rich", "keymap.yaml", "more", "bin"} & tops
    assert machines == dict.fromkeys(["orjson", "pydantic_core"], {"arm64": 183, "x86_64": 62}[OTHER])
    assert {name.split("/")[2] for name in names if re.match("botocore/data/.*/", name)} == wheels.SERVICES


def test_one_that_lambda_would_not_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    archive._require_size(archive.UNPACKED_BYTES_MAX)
    with pytest.raises(KeyshiftError, match="262,144,001 bytes, and Lambda takes 262,144,000"):
        archive._require_size(archive.UNPACKED_BYTES_MAX + 1)
    monkeypatch.setattr(wheels.shutil, "which", lambda *_argv, **_options: None)
    with pytest.raises(KeyshiftError, match="Install it: `pip install uv`"):
        wheels.uv("export")


def test_a_file_that_would_take_the_place_of_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("")
    archive._put(tmp_path / "stage", "yaml.py", tmp_path / "yaml.py")
    archive._put(tmp_path / "stage", "yaml.py", tmp_path / "yaml.py")
    (tmp_path / "other.py").write_text("something else")
    with pytest.raises(KeyshiftError, match=r"other.py would take the place of another yaml.py"):
        archive._put(tmp_path / "stage", "yaml.py", tmp_path / "other.py")


def test_modules_of_hooks_are_found_beside_the_keymap_and_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, installed = tmp_path / "project", tmp_path / "installed"
    for path in (folder / "beside" / "__init__.py", folder / "notes" / "more.txt", installed / "archived" / "tags.py"):
        path.parent.mkdir(parents=True)
        path.write_text("def tags(row):\n    return [row]\n")
    monkeypatch.syspath_prepend(str(installed))
    (folder / "keymap.yaml").write_text(KEYMAP.replace("shop_hooks:tags", "archived.tags:tags"))
    keymap = load_keymap(folder / "keymap.yaml")
    found = dict(archive._hooks(keymap, folder / "keymap.yaml", [folder / "notes", folder / "beside"]))
    assert set(found) == {"archived/tags.py", "beside/__init__.py", "more.txt"}
    with pytest.raises(KeyshiftError, match=r"there is no .*elsewhere"):
        dict(archive._hooks(keymap, folder / "keymap.yaml", [folder / "elsewhere"]))


def test_what_a_program_imports_is_found_wherever_it_stands(tmp_path: Path) -> None:
    for name, text in {
        "program.py": "from ours import a\nif TYPE_CHECKING:\n    import unwanted\nelse:\n    import wanted\n",
        "ours/__init__.py": "",
        "ours/a.py": "def f():\n    import ours.b.c\n    from ours.d import value\n",
        "ours/b/__init__.py": "import json, library.part",
        "ours/b/c.py": "",
        "ours/d.py": "value = 1",
        "ours/e.py": "import never",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = needs(tmp_path / "program.py", tmp_path, ["ours"])
    names = {str(one.relative_to(tmp_path)) for one in found.modules}
    assert names == {"program.py", "ours/__init__.py", "ours/a.py", "ours/b/__init__.py", "ours/b/c.py", "ours/d.py"}
    assert found.libraries == {"wanted", "library"}


def test_the_function_needs_neither_the_source_side_nor_the_command_line() -> None:
    found = needs(ROOT / "lambda" / "apply_stream.py", ROOT, archive.OURS)
    tops = {one.relative_to(ROOT).parts[:2] for one in found.modules}
    assert ("keyshift", "apply") in tops
    unwanted = {("keyshift", part) for part in ("mysql", "cutover", "cli", "deploy", "trial", "binlog")}
    assert not unwanted & tops
    assert not {one[0] for one in tops} & {"cdc", "bulkload"}
    assert found.libraries == {"boto3", "botocore", "orjson", "pydantic", "structlog", "yaml"}
