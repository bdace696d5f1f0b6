"""A keymap with a hook through the whole pipeline: capture, load, replay and verification make the same items."""

from contextlib import ExitStack
from typing import Any

import pytest

from tests.cli.conftest import Project
from tests.cli.steps import answer_of
from tests.cli.test_pipeline import Migration, until

pytestmark = pytest.mark.any_pair

MODULE = """\
def words(row):
    return [{**row, "word": word, "note": None} for word in (row["note"] or "").split()]
"""


@pytest.fixture
def hooked(project: Project) -> Project:
    """A migration in which each word of an order's note makes an item."""
    module = f"hooks_{project.name.replace('-', '_')}"
    (project.folder / f"{module}.py").write_text(MODULE)
    hook = f'      hook: {{call: "{module}:words", columns: [word, note]}}\n  {project.schema}.purchase:'
    project.edit("keymap.yaml", f"  {project.schema}.purchase:", hook)
    project.edit("keymap.yaml", "ORDER#{id:06d}", "ORDER#{id:06d}#{word}")
    project.edit("keymap.yaml", "      hook:", "      where: {word: {is_null: false}}\n      hook:")
    return project


def items(project: Project) -> dict[str, Any]:
    """The live items of the orders, by sort key: what the application sees of them."""
    found = project.aws("dynamodb").scan(TableName=f"{project.name}-app", ConsistentRead=True)["Items"]
    return {
        item["sk"]["S"]: {name: next(iter(value.values())) for name, value in item.items() if name[0] not in "_ps"}
        for item in found
        if not item["_ks_v"]["S"].endswith("x")
    }


def test_items_that_a_hook_makes_are_loaded_followed_and_verified(hooked: Project) -> None:
    hooked.execute("INSERT INTO orders VALUES (1, 1, 5, 'red big'), (2, 1, 5, NULL), (3, 2, 5, 'old')")
    with ExitStack() as stack:
        migration = Migration(hooked, stack)
        migration.load()
        first = {"id": "1", "customer_id": "1", "total": "5", "word": "red"}
        assert items(hooked) == {
            "ORDER#000001#red": first,
            "ORDER#000001#big": first | {"word": "big"},
            "ORDER#000003#old": {"id": "3", "customer_id": "2", "total": "5", "word": "old"},
        }
        migration.start("apply", "run")
        hooked.execute(
            "UPDATE orders SET note = 'big new', total = 6 WHERE id = 1",
            "UPDATE orders SET note = 'now' WHERE id = 2",
            "DELETE FROM orders WHERE id = 3",
        )
        until(lambda: "ORDER#000003#old" not in items(hooked))
        answer = hooked.keyshift("cutover", "run")
        assert answer.code == 0, answer.out + answer.err
        second = {"id": "1", "customer_id": "1", "total": "6"}
        assert items(hooked) == {
            "ORDER#000001#big": second | {"word": "big"},
            "ORDER#000001#new": second | {"word": "new"},
            "ORDER#000002#now": {"id": "2", "customer_id": "1", "total": "5", "word": "now"},
        }
        assert answer_of(hooked, "verify")["clean"]


def test_a_process_with_a_changed_hook_is_refused(hooked: Project) -> None:
    assert hooked.keyshift("init").code == 0
    (module,) = hooked.folder.glob("hooks_*.py")
    module.write_text(MODULE + "\n# changed\n")
    answer = hooked.keyshift("bulkload", "run")
    assert answer.code == 2
    assert "was initialised with keymap" in answer.err
