"""Compiled parts are used where they can be built and are wanted, and nothing needs them."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from keyshift import native
from keyshift.binlog import stored
from keyshift.binlog.fields import Field, Kind
from keyshift.binlog.rows import compile_rows

ROOT = Path(__file__).parents[2]


def can_compile() -> bool:
    """Whether there is what building an extension for this Python takes."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(compiler) is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


def test_rows_are_decoded_by_the_compiled_core_wherever_it_can_be_built_and_is_wanted() -> None:
    fields = (Field("a", Kind.INT, stored.integer(1, signed=True), 1),)
    is_compiled = type(compile_rows(fields)).__module__ == "keyshift.binlog._core"
    assert is_compiled == (can_compile() and native.is_wanted()), "built before there was a compiler? rm .venv/.ready"


def test_every_compiled_part_is_in_use_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(native.SWITCH, raising=False)
    assert [native.load(name) is not None for name in native.COMPILED] == [can_compile()] * len(native.COMPILED)
    assert {f"{name.replace('.', '/')}.pyx" for name in native.COMPILED} == {
        str(path.relative_to(ROOT)) for path in ROOT.glob("keyshift/**/*.pyx")
    }


@pytest.mark.parametrize(("value", "wanted"), [("1", False), ("yes", False), ("", True), ("0", True)])
def test_the_environment_turns_compiled_parts_off(monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool) -> None:
    monkeypatch.setenv(native.SWITCH, value)
    assert native.is_wanted() == wanted
    assert (native.load("json") is not None) == wanted
    assert ("is set" in native.summary()) != wanted


def test_a_part_that_was_not_built_is_none_and_one_that_cannot_be_loaded_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(native.SWITCH, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_built.py").write_text("import a_module_that_nobody_has")
    assert native.load("never_built") is None
    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has"):
        native.load("half_built")


def test_without_a_compiler_the_build_goes_on_and_pure_python_is_what_is_left(tmp_path: Path) -> None:
    """A wheel from the source distribution, as pip makes it on a machine that has no compiler."""
    environment = os.environ | {"CC": "/nonexistent/cc"}
    subprocess.run(["uv", "build", "--quiet", "--out-dir", tmp_path, ROOT], env=with_scripts(environment), check=True)
    (sources,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    with tarfile.open(sources) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {str(path.relative_to(ROOT)) for path in ROOT.glob("keyshift/**/*.p[yx][xd]")} <= inside
    assert not any(name.endswith((".c", ".so")) for name in zipfile.ZipFile(wheel).namelist() + sorted(inside))
    told = subprocess.run(
        [sys.executable, "-m", "keyshift.native"],
        env={name: value for name, value in environment.items() if name != native.SWITCH} | {"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert told.startswith("Rows are read by pure Python, exact but slower: not built")


def with_scripts(environment: dict[str, str]) -> dict[str, str]:
    """The environment with this Python's scripts first on the path, uv among them."""
    return environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"}
