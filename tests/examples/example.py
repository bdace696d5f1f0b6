"""One example: what its folder says, and the migration that a test makes of it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
import yaml
from pymysql.constants import CLIENT

from keymap.bookkeeping import Bookkeeping
from keymap.rules import Keymap, parse_keymap
from keymap.yaml_file import load_yaml
from tests.cli.conftest import Project

FOLDER = Path(__file__).parents[2] / "examples"
FILES = {"README.md", "keymap.yaml", "setup.sql", "changes.sql", "expected.json"}

Tables = dict[str, dict[tuple[Any, ...], Any]]  # by table, and in it by key

_ACCESS = re.compile(r"^\| .+ \| `([^`]+)` \| `([^`]+)` \| (\d+) \|$", re.MULTILINE)
_TOKEN = re.compile(r'"(?P<S>[^"]*)"|(?P<N>\d+)|(?P<own>AND|BETWEEN|begins_with)|(?P<name>\w+)')


@dataclass(frozen=True, slots=True)
class Access:
    """A line of a README's table: a query, and how many items it finds in the end."""

    target: str
    index: str
    condition: str
    items: int

    def request(self) -> dict[str, Any]:
        """The query but for its table, with a placeholder for every name and value, as DynamoDB wants them."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {}

        def placeholder(token: re.Match[str]) -> str:
            ((kind, text),) = ((kind, text) for kind, text in token.groupdict().items() if text is not None)
            if kind == "own":
                return text
            if kind == "name":
                names[f"#{text}"] = text
                return f"#{text}"
            name = f":value{len(values)}"
            values[name] = {kind: text}
            return name

        condition = _TOKEN.sub(placeholder, self.condition)
        return ({"IndexName": self.index} if self.index else {}) | {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }


@dataclass(frozen=True, slots=True)
class Example:
    """A folder of `examples/`."""

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    def text(self, file: str) -> str:
        return (self.folder / file).read_text(encoding="utf-8")

    def keymap(self) -> Keymap:
        return parse_keymap(self.text("keymap.yaml"), "keymap.yaml")

    def keymap_of_copies(self, copies: "Iterable[Copy]") -> str:
        """The text of one keymap for several copies."""
        document, _ = load_yaml(self.text("keymap.yaml"), "keymap.yaml")
        targets, tables = {}, {}
        for copy in copies:
            targets |= {copy.table(name): target for name, target in document["targets"].items()}
            for name, rules in document["tables"].items():
                _, _, table = name.partition(".")
                tables[f"{copy.schema}.{table}"] = [rule | {"target": copy.table(rule["target"])} for rule in rules]
        return yaml.safe_dump(document | {"targets": targets, "tables": tables}, sort_keys=False)

    def expected(self) -> Tables:
        """The items that there are in the end, in the file's order."""
        keymap = self.keymap()
        return {
            target: _by_key(keymap, target, items) for target, items in json.loads(self.text("expected.json")).items()
        }

    def accesses(self) -> list[Access]:
        found = _ACCESS.findall(self.text("README.md"))
        return [Access(*of.partition(".")[::2], condition, int(items)) for of, condition, items in found]


@dataclass(frozen=True, slots=True)
class Copy:
    """An example in a schema and in target tables of its own, within a project's migration."""

    example: Example
    project: Project
    name: str

    @property
    def schema(self) -> str:
        return f"{self.project.schema}_{self.name}"

    def table(self, target: str) -> str:
        return f"{self.project.name}-{self.name}-{target}"

    def execute(self, file: str) -> None:
        """Run a file as the servers' own client does: over one connection, stopping at the first error."""
        database = self.project.database
        connection = pymysql.connect(
            host=database.host,
            port=database.port,
            user=database.user,
            password=database.password,
            database=self.schema,
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(self.example.text(file))
            while cursor.nextset():
                pass

    def items(self) -> Tables:
        """What the target tables hold, as the application will see it."""
        keymap = self.example.keymap()
        return {target: _by_key(keymap, target, self._scan(target)) for target in keymap.targets}

    def found(self, access: Access) -> int:
        """How many items a query finds."""
        answer = self.project.aws("dynamodb").query(TableName=self.table(access.target), **access.request())
        return answer["Count"]

    def _scan(self, target: str) -> Iterable[Any]:
        scan = self.project.aws("dynamodb").get_paginator("scan")
        pages = scan.paginate(TableName=self.table(target), ConsistentRead=True)
        return (Bookkeeping().data(item) for page in pages for item in page["Items"])


def differences(found: Tables, expected: Tables) -> dict[tuple[Any, ...], tuple[Any, Any]]:
    """What is there and what should be, by table, key and attribute, where the two differ."""
    one, other = _attributes(found), _attributes(expected)
    places = sorted(one.keys() | other.keys())
    return {place: (one.get(place), other.get(place)) for place in places if one.get(place) != other.get(place)}


def _attributes(tables: Tables) -> dict[tuple[Any, ...], Any]:
    return {
        (target, *key, name): value
        for target, items in tables.items()
        for key, item in items.items()
        for name, value in item.items()
    }


def _by_key(keymap: Keymap, target: str, items: Iterable[Any]) -> dict[tuple[Any, ...], Any]:
    parts = keymap.targets[target].keys
    values = [{name: _value(attribute) for name, attribute in item.items()} for item in items]
    found = {tuple(item[part.name][1] for part in parts): item for item in values}
    assert len(found) == len(values)
    return found


def _value(attribute: dict[str, Any]) -> tuple[str, Any]:
    """An attribute in the one form that equal ones share: 1 and 1.0 are one number, and a set has no order."""
    ((kind, value),) = attribute.items()
    if kind == "M":
        return kind, {name: _value(inner) for name, inner in value.items()}
    if kind == "L":
        return kind, [_value(inner) for inner in value]
    if kind == "N":
        return kind, Decimal(value)
    return kind, frozenset(value) if kind in {"SS", "NS"} else value
