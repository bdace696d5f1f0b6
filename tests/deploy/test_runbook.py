"""docs/runbook.md has a heading for each alarm, each exit code, and each error of the processes that run for long."""

import re
from importlib import import_module
from pkgutil import walk_packages

import pytest

from keymap.errors import KeyshiftError
from keyshift.cli import errors
from keyshift.deploy.alarms import RUNBOOK
from keyshift.process.settings import MetricsSettings
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


def kinds(base: type[KeyshiftError] = KeyshiftError) -> set[str]:
    """The names of all errors that our packages define."""
    for root in ("keymap", "keyshift", "cdc", "bulkload"):
        for module in walk_packages(import_module(root).__path__, f"{root}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    return _below(base)


def _below(base: type[KeyshiftError]) -> set[str]:
    own = {one for one in base.__subclasses__() if not one.__module__.startswith("tests.")}
    return {one.__name__ for one in own}.union(*(_below(one) for one in own))


def anchor(heading: str) -> str:
    """As a page makes links of its headings."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_each_heading_stands_for_an_alarm_an_error_or_an_exit_code_and_none_is_missing() -> None:
    alarms = {re.search(rf"{RUNBOOK}#(\S+)$", one["AlarmDescription"])[1] for one in ALARMS}
    codes = {f"exit-code-{code}" for name, code in vars(errors).items() if name.startswith("EXIT_")}
    shown = {anchor(name) for name in kinds() - NOT_SHOWN.keys()}
    assert {anchor(heading) for heading in SECTIONS} == alarms | codes | shown
    assert kinds() >= NOT_SHOWN.keys()


@pytest.mark.parametrize("heading", SECTIONS)
def test_each_says_what_it_means_what_to_run_and_when_to_abort(heading: str) -> None:
    assert re.findall(r"^- \*\*(\w+)\*\*: .", SECTIONS[heading], re.MULTILINE) == ["Means", "Run", "Abort"]
