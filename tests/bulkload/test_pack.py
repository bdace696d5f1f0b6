"""What goes into a packed environment, and what is told where it would not work. A real one: tests/acceptance."""

from pathlib import Path

import pytest

from bulkload.spark import pack
from keymap.errors import KeyshiftError

pytestmark = pytest.mark.any_pair


def test_what_keyshift_needs_to_run_is_packed_and_no_more() -> None:
    names = [one.name.lower() for one in pack.needed("keyshift")]
    assert {"keyshift", "boto3", "botocore", "orjson", "pymysql", "cryptography", "tzdata"} <= set(names)
    assert not {"pytest", "mypy", "ruff", "ministack", "pyspark"} & set(names)
    assert len(names) == len(set(names))


def test_the_keymap_goes_along_with_the_modules_beside_it_and_no_settings(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    for name in ("keymap.yaml", "keyshift.yaml", "hooks.py", "words/__init__.py", "words/more.py", "notes/secret.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    pack._copy_project(folder / "keymap.yaml", tmp_path / "packed")
    found = {str(path.relative_to(tmp_path / "packed")) for path in (tmp_path / "packed").rglob("*") if path.is_file()}
    assert found == {"keymap.yaml", "hooks.py", "words/__init__.py", "words/more.py"}


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("echo 'ImportError: no zlib' >&2; exit 1", "does not work in another folder: ImportError: no zlib"),
        ("echo other; echo libc.so.6", "the packed keymap has the digest other, the keymap here digest"),
        ("echo digest; echo libc.so.6 libpython3.11.so.1.0", "library lies outside of its installation"),
        ("echo digest; echo libc.so.6", ""),
    ],
)
def test_what_was_packed_is_tried(tmp_path: Path, program: str, message: str) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    if message:
        with pytest.raises(KeyshiftError, match=message):
            pack._tried(tmp_path / "environment", "keymap.yaml", "digest")
    else:
        assert pack._tried(tmp_path / "environment", "keymap.yaml", "digest") == ["libc.so.6"]
    assert python.is_file()
