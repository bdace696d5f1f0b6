"""What target tables can take is said by table in the settings, and a mistake in it is told where it stands."""

from pathlib import Path

import pytest

from keymap.targets import Index, KeyAttribute, Target
from keyshift.process.capacity import CapacitySection, capacity_problems
from tests.process.test_settings import LEAST, _load, _problems

PK = KeyAttribute("pk", "S")
APP = Target("app", PK, None, "on_demand", None, None, (Index("by_name", PK, None), Index("l", PK, PK, is_local=True)))


def test_each_table_and_index_has_its_own(tmp_path: Path) -> None:
    text = "capacity:\n  app: {read_units: 5, write_units: 9, indexes: {by_name: {write_units: 3, read_units: 1}}}\n"
    app = _load(tmp_path, LEAST + text).capacity["app"]
    assert app.provisioned
    assert app.indexes["by_name"].write_units == 3
    assert capacity_problems({"app": app}, [APP]) == []


@pytest.mark.parametrize(
    ("given", "line", "wrong"),
    [
        ("{write_units: 5}", 10, "read_units and write_units go together"),
        ("{read_units: 1, write_units: 5, write_units_max: 9}", 10, "are of on-demand tables"),
        ("{write_units_max: 5, indexes: {i: {read_units: 1, write_units: 5}}}", 10, "the table is on demand"),
        ("{read_units: 1, write_units: 5, indexes: {i: {write_units_max: 5}}}", 10, "index i has a maximum"),
        ("{warm_write_unit: 5}", 10, "there is no setting capacity.app.warm_write_unit"),
        ("{indexes: {i: {warm: 5}}}", 10, "there is no setting capacity.app.indexes.i.warm"),
    ],
)
def test_what_cannot_be_is_told_at_its_line(tmp_path: Path, given: str, line: int, wrong: str) -> None:
    found = _problems(tmp_path, f"{LEAST}capacity:\n  app: {given}\n")
    assert [wrong in what for what in found.values()] == [True]
    assert list(found) == [f"keyshift.yaml:{line}"]


def test_names_that_are_none_of_the_keymaps_are_told() -> None:
    wanted = {"apps": CapacitySection(), "app": CapacitySection.model_validate({"indexes": {"l": {}, "by_name": {}}})}
    found = {problem.where: problem.remedy for problem in capacity_problems(wanted, [APP])}
    assert found == {"capacity.apps": "Its targets are app", "capacity.app.indexes.l": "They are by_name"}
