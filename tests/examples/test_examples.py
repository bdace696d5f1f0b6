"""Each example ends with the items that it expects, whichever way the rows came: bulk load, capture, or both."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.process.settings import load_settings
from tests.cli.conftest import Answer, Project, make_project
from tests.cli.running import Migration
from tests.cli.steps import answer_of
from tests.examples.example import FILES, FOLDER, Copy, Example, differences

pytestmark = pytest.mark.any_pair

EXAMPLES = [Example(path.name) for path in sorted(FOLDER.iterdir()) if path.is_dir()]
README = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.name)
def example(request: pytest.FixtureRequest) -> Example:
    return request.param


@pytest.fixture
def project(
    keyshift: Callable[..., Answer], database: Database, endpoints: Endpoints, schema: str, tmp_path: Path
) -> Iterator[Project]:
    made = make_project(keyshift, database, endpoints, schema, tmp_path)
    yield made
    made.keyshift("destroy", "--yes", "--with-targets")


@pytest.fixture
def copies(example: Example, project: Project) -> Iterator[tuple[Copy, Copy, Copy]]:
    """Three of the example, with its first rows, in one migration: a run for each would cost three times as much."""
    loaded, captured, both = made = tuple(Copy(example, project, name) for name in ("loaded", "captured", "both"))
    (project.folder / "keymap.yaml").write_text(example.keymap_of_copies(made))
    for copy in made:
        project.execute(f"CREATE DATABASE {copy.schema}")
        copy.execute("setup.sql")
    yield loaded, captured, both
    for copy in made:
        project.execute(f"DROP DATABASE {copy.schema}")


def succeed(project: Project, *arguments: str) -> None:
    answer = project.keyshift(*arguments)
    assert answer.code == 0, answer.out + answer.err


def test_bulk_load_and_capture_end_with_the_items_that_the_example_expects(
    example: Example, project: Project, copies: tuple[Copy, Copy, Copy]
) -> None:
    """And the README's queries find as many of them as it says."""
    loaded, captured, both = copies
    with ExitStack() as stack:
        migration = Migration(project, stack)
        loaded.execute("changes.sql")
        migration.capture()
        succeed(project, "bulkload", "dump")
        both.execute("changes.sql")
        succeed(project, "bulkload", "load")
        migration.start("apply", "run")
        migration.wait_for("shard_begun", "apply", "run")
        captured.execute("changes.sql")
        succeed(project, "cutover", "run")
        succeed(project, "cutover", "sweep")
    expected = example.expected()
    for copy in copies:
        assert differences(copy.items(), expected) == {}, copy.name
        assert [one for one in example.accesses() if copy.found(one) != one.items] == [], copy.name
    report = answer_of(project, "verify")
    assert report["clean"]
    assert report["tombstones"] == 0


def test_the_keymap_fits_the_examples_tables(project: Project, copies: tuple[Copy, Copy, Copy]) -> None:
    assert copies
    answer = project.keyshift("keymap", "check")
    assert answer.code == 0, answer.err
    assert "it fits the source's tables" in answer.out


def test_an_example_is_complete(example: Example) -> None:
    """All files are there, the items are in the order of their keys, and each table and index has its query."""
    assert {path.name for path in example.folder.iterdir()} == FILES
    targets, expected = example.keymap().targets, example.expected()
    assert expected.keys() == targets.keys()
    assert all(list(items) == sorted(items) for items in expected.values())
    places = {
        (name, index) for name, target in targets.items() for index in ("", *(one.name for one in target.indexes))
    }
    assert {(one.target, one.index) for one in example.accesses()} == places


def test_the_table_of_examples_lists_them_all() -> None:
    listed = re.findall(r"^\| \[([a-z-]+)\]\(\1/README\.md\) \|", README, re.MULTILINE)
    assert listed == [example.name for example in EXAMPLES]


def test_the_settings_to_try_one_are_valid(tmp_path: Path) -> None:
    (settings,) = re.findall(r"^```yaml\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "keyshift.yaml").write_text(settings)
    assert load_settings(tmp_path / "keyshift.yaml").migration == "try-purchases"
