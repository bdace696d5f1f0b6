"""What the documents and the files beside the code say is what the code does."""

import re
from collections.abc import Iterable, Iterator
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


def shown_commands(text: str) -> Iterator[str]:
    """What stands behind `keyshift` where a document shows commands: between backticks, and in blocks of a shell."""
    fenced = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    blocks = "".join(block for language, block in fenced.findall(text) if language in {"", "sh"})
    prose = re.sub(r"``.*?``", "", fenced.sub("", text), flags=re.DOTALL)
    spans = (" ".join(one.split()) for one in re.findall(r"`([^`]+)`", prose))
    for line in (*spans, *blocks.replace("\\\n", " ").splitlines()):
        yield from re.findall(r"(?:^|[\s/])keyshift(?: (?:-c|--config) \S+)? ([a-z][^#|&;>()]*)", line)


def what_is_wrong_with(shown: str) -> str:
    """The word that names no command or option; "" where all of them do."""
    words, command = shown.split(), cli
    while isinstance(command, click.Group) and words and re.fullmatch("[a-z-]+", words[0]):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            return words[0]
        command = found
        words.pop(0)
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return next((word for word in words if word.startswith("--") and word.partition("=")[0] not in known), "")


def test_every_command_and_option_that_a_document_shows_exists() -> None:
    everything = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    documents = [*everything, ROOT / "deploy" / "README.md"]
    shown = {one for document in documents for one in shown_commands(document.read_text(encoding="utf-8"))}
    assert len(shown) > 70
    assert {one: wrong for one in shown if (wrong := what_is_wrong_with(one))} == {}


def test_the_template_is_deployed_with_the_parameters_that_it_asks_for() -> None:
    template = yaml.safe_load((ROOT / "lambda" / "template.yaml").read_text(encoding="utf-8"))
    asked = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}
    command = command_of(["deploy", "template"])
    texts = [README, (ROOT / "docs" / "lambda.md").read_text(encoding="utf-8"), str(command and command.help)]
    assert [asked - set(re.findall(r"(\w+)=", text)) for text in texts] == [set(), set(), set()]


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
