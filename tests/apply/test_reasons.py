"""Why a row became no item is told by its key, its columns' names and types, and never by what else it holds.

The reasons stand in the control table, in the log, and in rejects files (decision 0012).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulkload.load.rejects import problems
from bulkload.load.send import _refused
from bulkload.load.writes import ChunkRows, plan_writes
from keymap.rules import Keymap, load_keymap
from keymap.values import Row
from keymap.version import floor
from keyshift.apply import setaside
from tests.apply.aside import Kept
from tests.apply.conftest import Inline, Shop
from tests.apply.fake_dynamodb import FakeDynamoDB
from tests.apply.history import pack
from tests.apply.keymaps import KEYS, MIGRATION, change
from tests.keymap.keymaps import TableSchema, column, text_column

HOOKS = """
def named(row):
    name = row["name"]
    if name.startswith("raise"):
        raise ValueError(f"{name} is no name")
    if name.startswith("lookup"):
        return {}[name]
    if name.startswith("object"):
        return {**row, "name": {name}}
    if name.startswith("other"):
        return {**row, "weight": name}
    if name.startswith("half"):
        return {**row, "name": name + chr(0xD800)}
    if name.startswith("new"):
        return {**row, name: 1}
    return row
"""
KEYMAP = """
keyshift: 1
targets:
  app: {partition_key: {pk: S}, sort_key: {sk: S}}
tables:
  shop.people:
    - target: app
      key: {pk: "PERSON#{id}", sk: "{born|date('%Y')}"}
      hook: {call: "reasons_hooks:named", columns: [name]}
      types: {weight: N, papers: JSON}
      attributes: {tall: "{height|number}", from: {from: "{papers|json('$.a')}", type: N}}
"""
COLUMNS = ("name", "born", "weight", "height", "papers")
SCHEMA = TableSchema("shop", "people", (column("id"), *map(text_column, COLUMNS)), ("id",))
GOOD: Row = dict(zip(("id", *COLUMNS), (7, "x", "1999-01-01", "1", "1", '{"a": "1"}'), strict=True))
BAD = [
    *({"name": f"{way} Alice"} for way in ("raise", "lookup", "object", "other", "half", "new")),
    {"weight": "12 Alice"},
    {"height": "Alice"},
    {"papers": '{"a": "Alice"'},
    {"papers": '{"a": "Alice"}'},
    {"born": "Alice"},
    {"name": "large", "papers": json.dumps("Alice" * 90_000)},
]


@pytest.fixture
def keymap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keymap]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "reasons_hooks.py").write_text(HOOKS)
    (tmp_path / "keymap.yaml").write_text(KEYMAP)
    yield load_keymap(tmp_path / "keymap.yaml")
    del sys.modules["reasons_hooks"]


def test_what_is_set_aside_or_rejected_is_told_without_values(keymap: Keymap, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(setaside._log, "warning", lambda _event, **fields: logged.append(fields))
    kept = Kept(Shop(keymap, FakeDynamoDB(KEYS), "", Inline()))
    rows = [{**GOOD, **bad} for bad in BAD]
    for at, row in enumerate(rows, 1):
        lanes = keymap.lanes("shop.people", None, GOOD, kept.migration.lanes)
        assert kept.handled(*(pack(keymap, lane, [change("people", None, row, at)]) for lane in lanes)).error is None
    aside = kept.every
    writes = plan_writes(keymap, MIGRATION, ChunkRows(SCHEMA, rows, 0, floor(1)))
    assert (len(aside), len(writes.rejects), len(logged)) == (len(BAD), len(BAD), len(BAD))
    for one in (*aside, *writes.rejects):
        assert one.reason
        assert one.remedy
    told = [repr(one) for one in (*aside, *writes.rejects, *logged, *problems(writes.rejects, SCHEMA))]
    assert not [one for one in told if "lice" in one]
    assert sum("for the row with id 7" in one.reason for one in aside) == 6


def test_of_what_dynamodb_refuses_its_words_are_told_without_the_values_that_it_quotes(keymap: Keymap) -> None:
    fake = FakeDynamoDB(KEYS)
    kept = Kept(Shop(keymap, fake, "", Inline()))
    text = "The parameter cannot be converted to a numeric value: Alice"
    refusal = ClientError({"Error": {"Code": "ValidationException", "Message": text}}, "UpdateItem")

    def refuse() -> None:
        raise refusal

    fake.before_call = refuse
    (lane,) = keymap.lanes("shop.people", None, GOOD, kept.migration.lanes)
    assert kept.handled(pack(keymap, lane, [change("people", None, GOOD, 1)])).error is None
    (one,) = kept.every
    for reason in (one.reason, _refused("app", ("PERSON#7", "1999"), refusal).reason):
        assert "cannot be converted to a numeric value: (…)" in reason
        assert "Alice" not in reason + one.remedy
