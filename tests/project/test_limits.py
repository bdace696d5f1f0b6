"""docs/limits.md: each limit has a test that exists; and those that no other place tries."""

import base64
import re
import zlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from bulkload.dump.table import RANGES_MAX
from keymap.attributes import ITEM_BYTES_MAX, item_size
from keymap.document import TargetDocument
from keymap.errors import KeyshiftError
from keymap.rules import parse_keymap
from keymap.wire import dumps
from keyshift.aws.stream import RECORDS_PER_GET_MAX
from keyshift.control.bounds import encode_bound
from keyshift.deploy.function import BATCH_RECORDS
from keyshift.process.settings import Settings
from keyshift.process.tasks import ApplySettings
from tests.apply.club import TEXT

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE)
LIMITS = {limit: re.findall(r"(\w+/test_\w+): (test_\w+)", tests) for limit, _, tests in ROWS if ": test_" in tests}
LANES_MAX = 4096


@pytest.mark.parametrize("limit", LIMITS)
def test_each_limit_has_tests_that_exist(limit: str) -> None:
    assert LIMITS[limit]
    for file, name in LIMITS[limit]:
        assert f"\ndef {name}" in (ROOT / "tests" / f"{file}.py").read_text(), name


def test_no_row_of_the_page_is_without_a_test() -> None:
    named = [row for row in ROWS if not set(row[0]) <= {"-"} and row[0] not in {"Limit", "Item"}]
    assert len(named) == len(LIMITS)


def test_what_is_named_in_the_code_exists() -> None:
    page = (ROOT / "docs" / "limits.md").read_text()
    for module, name in re.findall(r"`((?:keymap|keyshift|bulkload)(?:\.[a-z_]+)+)\.(\w+)`", page):
        text = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()
        assert re.search(rf"^(?:def |class )?{name}\b", text, re.MULTILINE), f"{module}.{name}"


@pytest.mark.parametrize(("length", "fits"), [(2, False), (3, True), (255, True), (256, False)])
def test_names_of_tables_and_indexes_have_3_to_255_characters(length: int, fits: bool) -> None:
    name = "t" * length
    key, index = {"pk": "S"}, {"partition_key": {"a": "S"}}
    text = f"keyshift: 1\ntargets: {{{name}: {{partition_key: {{pk: S}}}}}}\ntables:\n"
    text += f'  shop.a: [{{target: {name}, key: {{pk: "A#{{id}}"}}}}]\n'
    if fits:
        assert name in parse_keymap(text, "keymap.yaml").targets
        assert name in TargetDocument.model_validate({"partition_key": key, "indexes": {name: index}}).indexes
    else:
        with pytest.raises(KeyshiftError):
            parse_keymap(text, "keymap.yaml")
        with pytest.raises(ValidationError):
            TargetDocument.model_validate({"partition_key": key, "indexes": {name: index}})


def test_the_lanes_seen_of_a_barrier_are_an_item() -> None:
    assert item_size({"seen": {"NS": [str(lane) for lane in range(LANES_MAX)]}}) < ITEM_BYTES_MAX / 10


def test_a_lane_is_a_partition_key() -> None:
    (most,) = (part.le for part in Settings.model_fields["lanes"].metadata if hasattr(part, "le"))
    assert most == LANES_MAX
    assert len(str(most - 1)) <= 256


def test_a_keymap_of_many_tables_is_an_item() -> None:
    """300 tables, of which no two have the same columns."""
    head, tables = TEXT.format(prefix="").split("tables:\n")
    many = "".join(tables.replace("club.", f"c{n}.").replace("pos", f"p{n}") for n in range(60))
    packed = base64.b64encode(zlib.compress(dumps({"text": f"{head}tables:\n{many}", "hooks": {}}), 9))
    assert len(packed) < ITEM_BYTES_MAX / 10


def test_the_bounds_of_a_tables_ranges_are_an_item() -> None:
    """Of the longest keys that InnoDB takes: bytes, and text that JSON escapes."""
    for key in (b"\xff" * 3072, '"' * 3072, "é" * 1536):
        bounds = dumps([encode_bound((key,)) for _ in range(RANGES_MAX - 1)])
        assert len(bounds) < ITEM_BYTES_MAX


def test_a_migration_of_many_keymaps_is_an_item() -> None:
    entry = dumps(
        {"digest": "d" * 64, "changed": [f"database_{n}.a_table_of_some_name_{n}" for n in range(10)]}
    ).decode()
    assert item_size({"former": {"L": [{"S": entry}] * 500}}) < ITEM_BYTES_MAX


def test_a_batch_is_within_lambdas_and_kinesis_limits() -> None:
    assert 1 <= BATCH_RECORDS <= RECORDS_PER_GET_MAX == 10_000
    (most,) = (part.le for part in ApplySettings.model_fields["batch_records"].metadata if hasattr(part, "le"))
    assert most == RECORDS_PER_GET_MAX
