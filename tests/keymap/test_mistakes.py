"""What is wrong with a keymap is told in its author's words: what is expected, what is near, where more is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from keymap.document import KeymapDocument
from keymap.errors import Problem, Problems
from keymap.meanings import PATTERNS
from keymap.rules import load_keymap, parse_keymap
from keyshift.process.settings import Settings
from keyshift.process.settings_file import PATTERNS as SETTINGS_PATTERNS

KEYMAP = """\
keyshift: 1
targets:
  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
tables:
  shop.orders:
    - target: app
      key: {pk: "O#{id}", sk: X}
"""
PYDANTIC = re.compile(r"[Ii]nput|should|[Ff]ield required|valid (dictionary|string|tuple)|instance|[Ee]xtra|pattern|\^")
HEADINGS = set(
    re.findall(
        r"^#+ (.+)$", (Path(__file__).parents[2] / "docs" / "keymap.md").read_text(encoding="utf-8"), re.MULTILINE
    )
)


def problems(text: str) -> list[Problem]:
    """What is wrong with a keymap, in words that are never pydantic's, each with a chapter that there is."""
    with pytest.raises(Problems) as found:
        parse_keymap(text, "k.yaml")
    for problem in found.value.problems:
        assert not PYDANTIC.search(problem.what), problem
        assert problem.remedy
        if chapter := re.search(r"See docs/keymap\.md, (.+)$", problem.remedy):
            assert chapter[1] in HEADINGS
    return list(found.value.problems)


def one(text: str) -> tuple[str, str, str]:
    (problem,) = problems(text)
    return problem.where, problem.what, problem.remedy


QUOTES = "text is expected, not a number: put it in quotes"
SHARING = "Sharing an item"
NOT_A_MAP = "a map (name: value) is expected, not"
ONE_VALUE = "text, a number, true or false is expected"
TABLE_NAME = "a name of 3 to 255 of a-zA-Z0-9_.- is expected"


@pytest.mark.parametrize(
    ("line", "place", "what", "chapter"),
    [
        ("bookkeeping_prefix: 1x", "bookkeeping_prefix", "a name of 1 to 16 of", "Bookkeeping"),
        ("bookkeeping_prefix: 5", "bookkeeping_prefix", QUOTES, "Bookkeeping"),
        ("    billing: ondemand", "targets.app.billing", "on_demand or provisioned is expected", "Targets"),
        ("    read_capacity: many", "targets.app.read_capacity", "a whole number is expected, not text", "Targets"),
        ("    read_capacity: 1.5", "targets.app.read_capacity", "not a number with a fraction", "Targets"),
        ("    read_capacity: true", "targets.app.read_capacity", "not true or false", "Targets"),
        ("    read_capacity: 0", "targets.app.read_capacity", "at least 1 is expected", "Targets"),
        ("    indexes:", "targets.app.indexes", f"{NOT_A_MAP} nothing", "Indexes"),
        ("    indexes: [a]", "targets.app.indexes", f"{NOT_A_MAP} a list", "Indexes"),
        ("    indexes: {a: {partition_key: {b: S}}}", "targets.app.indexes.a", TABLE_NAME, "Indexes"),
        ("    indexes: {abc: x}", "targets.app.indexes.abc", f"{NOT_A_MAP} text", "Indexes"),
        ("    local_indexes: {abc: {sort_key: {}}}", "targets.app.local_indexes.abc.sort_key", "at least 1", "Indexes"),
        ("      where: status", "R.where", f"{NOT_A_MAP} text", "Conditions"),
        ("      where: {status: paid}", "R.where.status", f"{NOT_A_MAP} text", "Conditions"),
        ("      where: {status: {in: paid}}", "R.where.status.in", "a list is expected, not text", "Conditions"),
        ("      where: {status: {in: []}}", "R.where.status.in", "at least 1 entry must be there", "Conditions"),
        ("      where: {status: {in: [a, ~]}}", "R.where.status.in.1", ONE_VALUE, "Conditions"),
        ("      where: {status: {is_null: yes}}", "R.where.status.is_null", "true or false is expected", "Conditions"),
        ("      where: {str: {equals: [a, b]}}", "R.where.str.equals", ONE_VALUE, "Conditions"),
        ("      defaults: {a: 5}", "R.defaults.a", QUOTES, "Templates"),
        ("      include: a", "R.include", "a list is expected, not text", "Rules"),
        ("      include: {a: b}", "R.include", "a list is expected, not a map", "Rules"),
        ("      include: [1]", "R.include.0", QUOTES, "Rules"),
        ("      include: !!set {a}", "R.include", "a list is expected", "Rules"),
        ("      rename: [a, b]", "R.rename", f"{NOT_A_MAP} a list", "Rules"),
        ("      rename: {a: {b}}", "R.rename.a", "text is expected, not a map: put it in quotes", "Rules"),
        ("      constants: {a: [1]}", "R.constants.a", ONE_VALUE, "Rules"),
        ("      constants: {a: .inf}", "R.constants.a", ONE_VALUE, "Rules"),
        ("      types: {a: BOOLEAN}", "R.types.a", "S, N, BOOL, JSON, L, B, SS, NS or BS is expected", "Types"),
        ("      nulls: true", "R.nulls", "omit or keep is expected", "Rules"),
        ("      attributes: {a: 5}", "R.attributes.a", "a template, or a map of from, map, type", "Attributes"),
        ("      attributes: {a: {from: 5}}", "R.attributes.a.from", "text is expected, not a number", "Attributes"),
        ("      attributes: {a: {map: {b: {map: x}}}}", "R.attributes.a.map.b.map", f"{NOT_A_MAP} text", "Attributes"),
        ("      group: a", "R.group", f"{NOT_A_MAP} text", SHARING),
        ("      group: {attribute: }", "R.group", "a group takes attribute, or map and entry", SHARING),
        ('      group: {map: a.b, entry: "{id}"}', "R.group.map", "a name of 1 to 255 characters without", SHARING),
        ("      hook: {call: a.b}", "R.hook.call", "module:function is expected", "Hooks"),
        ("      hook: {}", "R.hook.call", "is missing", "Hooks"),
        ("      owner: id", "R.owner", "a list is expected, not text", "Owners"),
    ],
)  # fmt: skip
def test_what_is_expected_is_said_with_its_place_and_chapter(line: str, place: str, what: str, chapter: str) -> None:
    indent = len(line) - len(line.lstrip())
    text = KEYMAP.replace("tables:", f"{line}\ntables:") if indent < 6 else f"{KEYMAP}{line}\n"
    found = one(text)
    assert found[0] == f"k.yaml:{6 if indent < 6 else 10}"
    assert found[1].startswith(place.replace("R", "tables.shop.orders.0"))
    assert what in found[1]
    assert found[2].endswith(f"See docs/keymap.md, {chapter}")


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        (KEYMAP, "", 1, f"{NOT_A_MAP} nothing"),
        (KEYMAP, "[]", 1, f"{NOT_A_MAP} a list"),
        ("keyshift: 1\n", "", 1, "keyshift is missing"),
        ("keyshift: 1", "keyshift: 2", 1, "keyshift: 1 is expected"),
        ("  app:", "  x:", 3, f"targets.x: {TABLE_NAME}"),
        ("    partition_key: {pk: S}\n", "", 3, "targets.app.partition_key is missing"),
        ("{pk: S}", "pk", 4, f"targets.app.partition_key: {NOT_A_MAP} text"),
        ("{pk: S}", "{pk: S, p: N}", 4, "targets.app.partition_key: at most 1 entry may be there"),
        ("{pk: S}", "{pk: s}", 4, "targets.app.partition_key.pk: S, N or B is expected"),
        ("shop.orders", "orders", 7, "tables.orders: DATABASE.TABLE is expected"),
        ("shop.orders", "5", 7, "tables.5: DATABASE.TABLE is expected"),
        ("shop.orders", "~", 7, "tables.~: DATABASE.TABLE is expected"),
        ("- target: app", "  target: app", 7, "tables.shop.orders: a list is expected, not a map"),
        ("- target: app\n      key", "- key", 8, "tables.shop.orders.0.target is missing"),
        ('"O#{id}"', "{id}", 9, "tables.shop.orders.0.key.pk: text is expected, not a map: put it in quotes"),
        ("sk: X}", "sk: X, t: Y}", 9, "tables.shop.orders.0.key: at most 2 entries may be there"),
        ("sk: X}", "sk: ''}", 8, "key sk is empty"),
    ],
)  # fmt: skip
def test_what_is_missing_or_of_another_kind_is_named(old: str, new: str, line: int, what: str) -> None:
    assert one(KEYMAP.replace(old, new))[:2] == (f"k.yaml:{line}", what)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ('      group: {atribute: "a{id}"}', "Did you mean attribute? See docs/keymap.md, Sharing an item"),
        ("      exclud: [a]", "Did you mean exclude? See docs/keymap.md, Rules"),
        ("      attributes: {a: {map: {b: {form: x}}}}", "Did you mean from? See docs/keymap.md, Attributes"),
        ("      where: {a: {equal: x}}", "Did you mean equals? See docs/keymap.md, Conditions"),
        ("      hook: {5: a, call: 'a:b'}", "Known here: call, columns. See docs/keymap.md, Hooks"),
        ("tabels: {}", "Did you mean tables? See docs/keymap.md, The keymap"),
    ],
)
def test_an_unknown_field_names_the_one_that_was_meant(line: str, remedy: str) -> None:
    where, what, found = one(f"{KEYMAP}{line}\n")
    assert (where, found) == ("k.yaml:10", remedy)
    assert what.startswith("there is no field ")


def test_all_mistakes_come_at_once_those_of_names_too() -> None:
    text = KEYMAP.replace("    sort_key", "    partition_key").replace("target: app", "target: 5") + "tables: {}\n"
    assert [str(problem.where) for problem in problems(text)] == ["k.yaml:5", "k.yaml:10", "k.yaml:6"]
    found = problems(KEYMAP.replace("shop.orders", "orders").replace("sk: X", "sk: 5") + "      exclud: []\n")
    assert [problem.where for problem in found] == ["k.yaml:7", "k.yaml:9", "k.yaml:10"]


@pytest.mark.parametrize("line", ["rename: {a: ''}", "constants: {'': x}", "attributes: {'': x}"])
def test_an_attribute_has_a_name(line: str) -> None:
    assert one(f"{KEYMAP}      {line}\n")[:2] == ("k.yaml:8", "an attribute has an empty name")
    text = KEYMAP.replace("pk: S", "'': S").replace("pk: ", "'': ")
    assert one(text)[:2] == ("k.yaml:3", "an attribute has an empty name")


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("{pk: S}", "{pk: S", "k.yaml:5", "it is not valid YAML: expected ',' or '}', but got ':'"),
        ("    partition_key", "\tpartition_key", "k.yaml:4", "it is not valid YAML: a tab stands where blanks must"),
        ("{pk: S}", "*nope", "k.yaml:4", "it is not valid YAML: found undefined alias 'nope'"),
        ("tables:", "tables: &a\n  shop.x: [*a]", "k.yaml", "it is nested without end, or repeats its anchors without"),
        (KEYMAP, "[" * 3_000, "k.yaml", "it is nested without end"),
        (KEYMAP, f"{KEYMAP}---\n", "k.yaml:10", "it is not valid YAML: a second document begins"),
        ("app:", "a\0p:", "k.yaml:3", "it is not valid YAML: the character U+0000 is not allowed"),
        ("sk: X", 'sk: "\\ud800"', "k.yaml:9", "it is not valid YAML: a text has half a character"),
        ("sk: X", "sk: !!int x", "k.yaml:9", "it is not valid YAML: a value cannot be read"),
        ("sk: X", "sk: !!timestamp x", "k.yaml:9", "it is not valid YAML: a value cannot be read"),
        ("sk: X", "sk: " + "9" * 5_000, "k.yaml:9", "it is not valid YAML: a value cannot be read"),
        ("sk: X", "sk: !!python/object:x {}", "k.yaml:9", "it is not valid YAML: could not determine a constructor"),
    ],
)
def test_what_is_no_yaml_is_one_mistake_with_its_line(old: str, new: str, where: str, what: str) -> None:
    found = one(KEYMAP.replace(old, new, 1))
    assert found[0] == where
    assert found[1].startswith(what)


def test_aliases_that_multiply_end_in_a_mistake() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefghijkl", "abcdefghijk", strict=True):
        text += f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    assert one(text)[1].startswith("it is nested without end, or repeats its anchors without end")


def test_names_and_times_of_day_are_text_whatever_they_look_like() -> None:
    keymap = parse_keymap(
        KEYMAP.replace("shop.orders", "5.5").replace("  app:", "  12345:").replace("target: app", "target: '12345'")
        + "      rename: {2024: y, true: z, =: e, ~: n}\n"
        "      where: {t: {in: [12:30, 1:02.5, =, 1_000, 0x10, 1.5e+3]}}\n",
        "k.yaml",
    )
    (rule,) = keymap.document.tables["5.5"]
    assert rule.target == "12345"
    assert rule.rename == {"2024": "y", "true": "z", "=": "e", "~": "n"}
    assert rule.where["t"].one_of == ("12:30", "1:02.5", "=", 1000, 16, 1500.0)


def test_a_file_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "k.yaml").write_bytes(b"\xff")
    with pytest.raises(Problems, match=r"k\.yaml: it is not UTF-8 text"):
        load_keymap(tmp_path / "k.yaml")


def patterns_of(schema: Any) -> set[str]:
    return {json.loads(found) for found in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(schema))}


def test_every_regular_expression_has_its_words() -> None:
    keys = r"^[a-zA-Z0-9_.-]{3,255}$", r"^[^.\s]+\.[^.\s]+$"  # pydantic's schema has those of names elsewhere
    assert patterns_of(KeymapDocument.model_json_schema()) | set(keys) == set(PATTERNS)
    assert patterns_of(Settings.model_json_schema()) == set(SETTINGS_PATTERNS)
