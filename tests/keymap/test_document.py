"""A keymap's mistakes are reported all at once, each with its file and line and what to do."""

import pytest

from keymap.errors import Problems
from keymap.rules import load_keymap, parse_keymap
from tests.keymap.keymaps import TEXT


def problems(text: str) -> list[str]:
    with pytest.raises(Problems) as found:
        parse_keymap(text, "keymap.yaml")
    return [f"{problem.where} {problem.what}" for problem in found.value.problems]


def test_all_mistakes_come_at_once_with_their_lines() -> None:
    text = TEXT.replace("sort_key: {orderid: N}", "sort_key: {orderid: X}")
    text = text.replace("exclude: [note]", "exclud: [note]").replace("types: {vip: BOOL}", "types: {vip: YES}")
    assert [line.split()[0] for line in problems(text)] == ["keymap.yaml:5", "keymap.yaml:18", "keymap.yaml:24"]


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("keyshift: 1", "keyshift: 2", 1, "Input should be 1"),
        ("target: purchases", "target: purchase", 11, "target purchase is not among targets"),
        ("sk: PROFILE", "sort: PROFILE", 22, "key must give pk, sk, in this order"),
        ("productid{productid}", "product", 13, "must use a column"),
        ('"{customerid}"', '"C{customerid}"', 11, "type N, so its template must be one column alone"),
        ("{type: order}", "{_ks_type: order}", 15, "bookkeeping prefix"),
        ("{type: order}", "{pk: order}", 15, "has the name of a key"),
        ("{total: total_price}", "{total: _ks_x}", 15, "bookkeeping prefix"),
        ("rename: {total: total_price}", "rename: {total: type}", 15, "give the same attribute"),
        ("{not_equals: draft}", "{}", 20, "a condition needs is_null"),
        ("exclude: [note]", "exclude: [note]\n      exclude: [total]", 19, "is given twice"),
        ("shop.customer:", "customer:", 21, "should match pattern"),
        ("{id:010d}", "{id:x}", 16, "the format :x is not known"),
    ],
)
def test_each_mistake_names_its_line(old: str, new: str, where: int, what: str) -> None:
    (found,) = problems(TEXT.replace(old, new, 1))
    assert found.startswith(f"keymap.yaml:{where} ")
    assert what in found


@pytest.mark.parametrize("text", ["", "[]", "a: [", "keyshift: 1", "\x00"])
def test_a_file_that_is_no_keymap_is_one_clear_error(text: str) -> None:
    assert problems(text)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    from keymap.errors import KeyshiftError

    with pytest.raises(KeyshiftError, match=r"nowhere.yaml cannot be read"):
        load_keymap(tmp_path / "nowhere.yaml")


def test_dates_in_a_keymap_stay_text() -> None:
    keymap = parse_keymap(TEXT.replace("{not_equals: draft}", "{equals: 2024-02-29}"), "keymap.yaml")
    row = {"id": 1, "customer_id": 2, "status": "2024-02-29", "total": None, "note": None}
    assert keymap.row_patches("shop.orders", row, "v")
