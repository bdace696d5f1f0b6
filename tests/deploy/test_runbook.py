"""docs/runbook.md has a heading for each alarm, each exit code, and each error of the processes that run for long."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest

from keymap.errors import KeyshiftError
from keyshift.cli import errors
from keyshift.deploy.alarms import RUNBOOK
from keyshift.process.tasks import MetricsSettings
from tests.deploy.rendered import ROOT, of_type, rendered

SECTIONS = dict(re.findall(r"^### ([^\n]*)\n(.*?)(?=^##|\Z)", (ROOT / RUNBOOK).read_text(), re.MULTILINE | re.DOTALL))
ALARMS = of_type(rendered(metrics=MetricsSettings(emf=True)), "AWS::CloudWatch::Alarm").values()
NOT_SHOWN = {  # and the one under which an operator sees it, or where
    "Problems": "mistakes in a file, told before anything runs",
    "Unfit": "a part of Poison's message, or a mistake in the keymap",
    "PatchError": "Poison",
    "NullInKey": "Poison",
    "NotOurs": "Foreign",
    "TooLarge": "Poison",
}
HALTS = {  # where daemon and load stop with an error that has no name of its own, and its heading
    "cdc/assemble.py _entries": "A change cannot be mapped",
    "cdc/assemble.py _prepare": "XA on captured tables",
    "cdc/assemble.py _refuse": "`Unfollowed`",  # without shapes, which the daemon has
    "cdc/assemble.py _require": "The binlog cannot be read",
    "cdc/assemble.py _too_large": "A change is larger than the buffer",
    "cdc/begin.py _require_own": "The stream is another's",
    "cdc/captured.py changed": "The binlog cannot be read",
    "cdc/decoder.py _unknown": "The binlog cannot be read",
    "cdc/decoder.py _unreadable": "The binlog cannot be read",
    "cdc/reader.py refusal_of": "The source refuses its binlog",
    "cdc/resume.py _as_it_was": "The control table was changed by hand",
    "cdc/starting.py require_no_prepared_xa": "XA on captured tables",
    "bulkload/folder.py _explaining": "A file of the dump is not there",
    "bulkload/load/run.py needed": "The load is over",
    "bulkload/load/send.py _guarded": "Others write to the target tables",
    "bulkload/load/reading.py tables": "A table is not dumped",
    "bulkload/load/run.py _require_no_import": "An import is under way",
    "bulkload/dump/chain.py require_chain": "The dump's chunks do not fit together",
    "bulkload/dump/run.py _require_begun": "The dump waits for capture",
    "bulkload/dump/run.py _required_place": "The dump waits for capture",
    "bulkload/dump/run.py _required_start": "The dump waits for capture",
    "bulkload/dump/source.py _refusal": "The dump cannot read",
    "bulkload/dump/source.py _wait": "The dump cannot read",
    "bulkload/imports/objects.py _flush": "Files of an import",
    "bulkload/imports/run.py _require_room": "Files of an import",
    "bulkload/imports/spool.py _explaining": "Files of an import",
    "bulkload/spark/cluster.py cluster": "Spark cannot be used",
    "bulkload/spark/pack.py _tried": "Spark cannot be used",
    "bulkload/load/workers.py hear": "A process of the load ended",
    "bulkload/storage.py missing": "A file of the dump is not there",
    "bulkload/storage.py put": "A file of the dump is not there",
}


OF_SPARK = {"bulkload.spark.cluster", "bulkload.spark.engine"}  # import pyspark, and define no error


def kinds(base: type[KeyshiftError] = KeyshiftError) -> set[str]:
    """The names of all errors that our packages define."""
    for root in ("keymap", "keyshift", "cdc", "bulkload"):
        for module in walk_packages(import_module(root).__path__, f"{root}."):
            if not module.name.endswith("__main__") and module.name not in OF_SPARK:
                import_module(module.name)
    return _below(base)


def _below(base: type[KeyshiftError]) -> set[str]:
    own = {one for one in base.__subclasses__() if not one.__module__.startswith("tests.")}
    return {one.__name__ for one in own}.union(*(_below(one) for one in own))


def halts() -> set[str]:
    """Every place of the daemon, the load and the consumers that makes an error without a name of its own."""
    files = [file for folder in ("cdc", "bulkload", "keyshift/apply") for file in (ROOT / folder).rglob("*.py")]
    return {f"{file.relative_to(ROOT)} {name}" for file in files for name in _makers(ast.parse(file.read_text()), "")}


def _makers(node: ast.AST, function: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        name = child.name if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "KeyshiftError":
            yield name
        yield from _makers(child, name)


def anchor(heading: str) -> str:
    """As a page makes links of its headings."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_each_heading_stands_for_an_alarm_an_error_or_an_exit_code_and_none_is_missing() -> None:
    alarms = {re.search(rf"{RUNBOOK}#(\S+)$", one["AlarmDescription"])[1] for one in ALARMS}
    codes = {f"exit-code-{code}" for name, code in vars(errors).items() if name.startswith("EXIT_")}
    shown = {anchor(name) for name in kinds() - NOT_SHOWN.keys()}
    stops = {anchor(heading) for heading in HALTS.values()}
    assert {anchor(heading) for heading in SECTIONS} == alarms | codes | shown | stops
    assert halts() == HALTS.keys()
    assert kinds() >= NOT_SHOWN.keys()


@pytest.mark.parametrize("heading", SECTIONS)
def test_each_says_what_it_means_what_to_run_and_when_to_abort(heading: str) -> None:
    assert re.findall(r"^- \*\*(\w+)\*\*: .", SECTIONS[heading], re.MULTILINE) == ["Means", "Run", "Abort"]
