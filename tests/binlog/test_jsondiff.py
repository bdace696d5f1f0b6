"""Diffs of JSON documents by MySQL's rules: what they do, and what they refuse."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshift.binlog.errors import Malformed
from keyshift.binlog.jsondiff import Cell, Diff, Operation, apply_diffs, parse_path, read_diffs
from tests.binlog import encode, encode_json

REPLACE, INSERT, REMOVE = Operation


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$.a", ("a",)),
        ('$.a[3]."b c"', ("a", Cell(3), "b c")),
        ("$[last][last-2]", (Cell(0, from_end=True), Cell(2, from_end=True))),
        (' $ . a [ 10 ] [ last - 1 ] . "" \t\n\r', ("a", Cell(10), Cell(1, from_end=True), "")),
        ('$."\\"q\\\\".\\u0061é."[0]"', ('"q\\', "aé", "[0]")),
        ("$._$1.last.to", ("_$1", "last", "to")),
        ('$."a\\nb😀\\ud83d\\ude00"', ("a\nb😀😀",)),
    ],
)
def test_a_path_is_read_as_its_steps(path: str, steps: tuple[object, ...]) -> None:
    assert parse_path(path.encode()) == steps


@pytest.mark.parametrize(
    "path",
    [
        *[
            "",
            "a",
            ".a",
            "$",
            "$ ",
            "$a",
            "$.",
            "$..a",
            "$[",
            "$[]",
            "$[-1]",
            "$[a]",
            "$[1 to 2]",
            "$[*]",
            "$.*",
            "$**.a",
        ],
        *['$."a', '$."a"b', '$.a"b', "$[1", "$[last-]", "$[first]", '$."\\x"', "$[99999999999]", '$."a\nb"', "$.a\\"],
    ],
)
def test_what_is_no_path_of_one_place_is_refused(path: str) -> None:
    with pytest.raises(Malformed, match=r"path|whole"):
        parse_path(path.encode())


def test_a_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Malformed, match="path"):
        parse_path(b"$.\xff")


NAMES = st.text(st.characters(exclude_categories=["Cs"]))
CELLS = st.builds(Cell, st.integers(0, 2**32), st.booleans())


@given(st.lists(NAMES | CELLS, min_size=1))
def test_every_path_that_a_server_can_write_is_read(steps: list[str | Cell]) -> None:
    def written(step: str | Cell) -> str:
        if isinstance(step, str):
            return "." + json.dumps(step, ensure_ascii=False)
        last = "last" + f"-{step.offset}" * (step.offset > 0)
        return f"[{last if step.from_end else step.offset}]"

    assert parse_path(("$" + "".join(map(written, steps))).encode()) == tuple(steps)


@pytest.mark.parametrize(
    ("before", "operation", "path", "value", "after"),
    [
        ({"a": 1}, REPLACE, "$.a", {"b": 2}, {"a": {"b": 2}}),
        ({"a": None}, REPLACE, "$.a", 1, {"a": 1}),
        ({"a": [1, {"b": [2]}]}, REPLACE, "$.a[1].b[0]", 3, {"a": [1, {"b": [3]}]}),
        ([1, 2, 3], REPLACE, "$[last-2]", 0, [0, 2, 3]),
        ({"a": 1}, INSERT, "$.b", None, {"a": 1, "b": None}),
        ({}, INSERT, '$.""', 1, {"": 1}),
        ([1, 2], INSERT, "$[0]", 0, [0, 1, 2]),
        ([1, 2], INSERT, "$[1]", 0, [1, 0, 2]),
        ([1, 2], INSERT, "$[2]", 0, [1, 2, 0]),
        ([1, 2], INSERT, "$[9]", 0, [1, 2, 0]),
        ([1, 2], INSERT, "$[last]", 0, [1, 0, 2]),
        ([1, 2], INSERT, "$[last-9]", 0, [0, 1, 2]),
        ([], INSERT, "$[last]", 0, [0]),
        ({"a": 1, "b": 2}, REMOVE, "$.a", None, {"b": 2}),
        ([1, 2, 3], REMOVE, "$[1]", None, [1, 3]),
        ([1, 2, 3], REMOVE, "$[last]", None, [1, 2]),
        ([[1, 2], 3], REMOVE, "$[0][0]", None, [[2], 3]),
    ],
)
def test_a_diff_changes_what_its_path_leads_to(
    before: Any, operation: Operation, path: str, value: Any, after: Any
) -> None:
    apply_diffs(before, [Diff(operation, parse_path(path.encode()), value)])
    assert before == after


@pytest.mark.parametrize(
    ("before", "operation", "path"),
    [
        ({"a": 1}, REPLACE, "$.b"),
        ({"a": 1}, REPLACE, "$[0]"),
        ({"a": 1}, REPLACE, "$.a[0]"),
        ({"a": 1}, REPLACE, "$.a.b"),
        ([1], REPLACE, "$[1]"),
        ([1], REPLACE, "$[last-1]"),
        ([1], REPLACE, "$.a"),
        ([], REPLACE, "$[last]"),
        (1, REPLACE, "$[0]"),
        ("text", REPLACE, "$[0]"),
        ({"a": 1}, INSERT, "$.a"),
        ({"a": 1}, INSERT, "$[0]"),
        ({"a": 1}, INSERT, "$.b.c"),
        ([1], INSERT, "$.a"),
        ([1], INSERT, "$[1][0]"),
        (None, INSERT, "$.a"),
        ({"a": 1}, REMOVE, "$.b"),
        ({"a": 1}, REMOVE, "$[0]"),
        ([1], REMOVE, "$[1]"),
        ([1], REMOVE, "$[last-1]"),
        ([1], REMOVE, "$.a"),
        (1.5, REMOVE, "$.a"),
    ],
)
def test_a_diff_that_does_not_fit_is_refused_and_never_guessed(before: Any, operation: Operation, path: str) -> None:
    with pytest.raises(Malformed, match="a JSON diff"):
        apply_diffs(before, [Diff(operation, parse_path(path.encode()), 1)])


def test_each_diff_sees_what_those_before_it_have_done() -> None:
    document = {"a": [1, 2]}
    apply_diffs(
        document,
        [
            Diff(REMOVE, ("a", Cell(0))),
            Diff(REPLACE, ("a", Cell(0)), {"x": []}),
            Diff(INSERT, ("a", Cell(0), "x", Cell(0)), 7),
            Diff(INSERT, ("b",), None),
        ],
    )
    assert document == {"a": [{"x": [7]}], "b": None}


def stored(diff: Diff, path: str) -> bytes:
    value = b"" if diff.operation is REMOVE else encode.text(encode_json.document(diff.value))
    return bytes([diff.operation]) + encode.text(path.encode()) + value


def test_diffs_are_read_in_their_order() -> None:
    long = "k" * 300
    diffs = [
        (Diff(REPLACE, ("a",), ["é" * 200]), "$.a"),
        (Diff(REMOVE, (long,)), f"$.{long}"),
        (Diff(INSERT, ("b",)), "$.b"),
    ]
    data = b"".join(stored(diff, path) for diff, path in diffs)
    assert read_diffs(data) == [diff for diff, _ in diffs]
    assert read_diffs(b"") == []
    whole = {sum(len(stored(*one)) for one in diffs[:count]) for count in range(len(diffs))}
    for end in set(range(len(data))) - whole:
        with pytest.raises(Malformed):
            read_diffs(data[:end])
