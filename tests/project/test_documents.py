"""What the documents and the files beside the code say is what the code does."""

import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from textwrap import dedent

import click
import pytest
import yaml

from keymap.bookkeeping import Bookkeeping
from keymap.hooks import Hook
from keymap.patch import WHOLE
from keymap.rules import parse_keymap
from keymap.slots import entry_slot
from keyshift.cli.demo.shop import keymap_text
from keyshift.cli.main import cli
from keyshift.process.settings import load_settings
from keyshift.trial.report import TargetReport

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEYMAP_MD = (ROOT / "docs" / "keymap.md").read_text(encoding="utf-8")


def yaml_blocks(text: str) -> list[str]:
    return [dedent(block) for block in re.findall(r"^ *```yaml\n(.*?)```", text, re.DOTALL | re.MULTILINE)]


def test_the_readmes_settings_and_keymap_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, keymap = yaml_blocks(README)
    (tmp_path / "keyshift.yaml").write_text(settings)
    monkeypatch.setenv("SHOP_PASSWORD", "x")
    assert load_settings(tmp_path / "keyshift.yaml").migration == "shop"
    assert not parse_keymap(keymap, "keymap.yaml").puts_all("purchases")


def test_the_keymap_languages_example_and_the_demos_are_valid() -> None:
    (example,) = yaml_blocks(KEYMAP_MD)
    for text in (example, keymap_text()):
        assert set(parse_keymap(text, "keymap.yaml").tables) == {"shop.purchase", "shop.customer", "shop.orders"}


def test_the_keymap_languages_hook_is_one() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", KEYMAP_MD, re.DOTALL)
    defined: dict = {}
    exec(code, defined)
    hook = Hook("shop_hooks:tags", defined["tags"], ("tag",), ("id",))
    assert hook.rows({"id": 1, "tags": "new red"}) == [
        {"id": 1, "tags": "new red", "tag": "new"},
        {"id": 1, "tags": "new red", "tag": "red"},
    ]
    assert hook.rows({"id": 1, "tags": None}) == []


def command_of(words: Iterable[str]) -> click.Command | None:
    """The command that these words call; None where there is none."""
    found: click.Command | None = cli
    for word in words:
        found = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
    return found


def test_every_command_that_readme_and_runbook_show_exists() -> None:
    others = ("CONTRIBUTING.md", "ARCHITECTURE.md", "docs/runbook.md")
    text = README + "".join((ROOT / name).read_text() for name in others)
    shown = set(re.findall(r"`keyshift ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", text))
    assert shown
    assert [words for words in sorted(shown) if command_of(words.split()) is None] == []


def test_the_bookkeeping_table_names_the_attributes() -> None:
    books = Bookkeeping()
    rows = re.findall(r"^\| (`_ks[^|]*) \|", KEYMAP_MD, re.MULTILINE)
    assert {name for row in rows for name in re.findall("`([^`]+)`", row)} == {
        books.migration,
        books.revision,
        *map(books.mark, (WHOLE, "NAME", entry_slot("MAP", "KEY"))),
        *map(books.owner, (WHOLE, "SLOT")),
        *map(books.parked, (WHOLE, "SLOT")),
    }


def test_the_figures_of_a_keymap_check_are_those_of_its_json() -> None:
    text = (ROOT / "docs" / "keymap-check.md").read_text(encoding="utf-8").split("## Figures")[1]
    told = [name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)]
    assert told == [field.name for field in fields(TargetReport)]


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_compose_file_pins_its_images_stays_on_loopback_and_sets_the_binlog() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(services) == {"mysql", "dynamodb", "kinesis", "s3"}
    for service in services.values():
        _, _, tag = service["image"].rpartition(":")
        assert tag not in {"", "latest"}
        assert re.search(r"\d", tag)
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    options = set(services["mysql"]["command"])
    assert {"--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL", "--gtid-mode=ON"} <= options
    assert services["mysql"]["image"].startswith("mysql:8.4")
