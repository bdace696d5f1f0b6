"""Hooks are found beside the keymap, count in its digest, and their mistakes are told when it is read."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keymap.check import check, uncut_columns
from keymap.check_indexes import index_risks
from keymap.errors import Problems
from keymap.rules import Keymap, load_keymap
from keymap.template import PatchError
from tests.keymap.keymaps import PURCHASE, SCHEMAS, TEXT, change, keymap

MODULE = """\
def split(row):
    return [{**row, "word": word} for word in row["status"].split()]


def grouped(row):
    return {**row, "productid": row["productid"] + 1}


def forbid(row):
    raise ValueError(row["status"])


def lazy(row):
    yield row


async def later(row):
    return row


five = 5
"""
HOOKED = TEXT.replace(
    'key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{id:010d}"}',
    """key: {pk: "CUSTOMER#{customer_id}", sk: "ORDER#{id:010d}#{word}"}
      hook: {call: "shop_hooks:split", columns: [word]}""",
).replace("where: {status: {not_equals: draft}}", "where: {word: {not_equals: draft, is_null: false}}")
ORDER = {"id": 7, "customer_id": 3, "status": "red draft big", "total": None, "note": None}
Write = Callable[..., Keymap]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Loads a keymap from a file that has a module beside it, for this test only."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str = HOOKED, module: str = MODULE) -> Keymap:
        (tmp_path / "keymap.yaml").write_text(text)
        (tmp_path / "shop_hooks.py").write_bytes(module.encode())
        sys.modules.pop("shop_hooks", None)
        return load_keymap(tmp_path / "keymap.yaml")

    yield write
    sys.modules.pop("shop_hooks", None)


def test_rows_that_a_hook_makes_become_items_by_the_rule(written: Write) -> None:
    found = written().row_patches("shop.orders", ORDER, "v")
    assert [(patch.key, patch.attributes) for patch in found] == [
        (
            ("CUSTOMER#3", f"ORDER#0000000007#{word}"),
            {
                "type": {"S": "order"},
                "id": {"N": "7"},
                "customer_id": {"N": "3"},
                "status": {"S": "red draft big"},
                "word": {"S": word},
            },
        )
        for word in ("red", "big")
    ]


def test_an_update_removes_what_only_the_rows_before_had(written: Write) -> None:
    patches = written().patches(change("shop.orders", ORDER, ORDER | {"status": "big new"}))
    assert [(patch.key[1], patch.attributes is None) for patch in patches] == [
        ("ORDER#0000000007#red", True),
        ("ORDER#0000000007#big", False),
        ("ORDER#0000000007#new", False),
    ]


def test_a_row_that_a_hook_makes_twice_is_refused_with_its_table(written: Write) -> None:
    with pytest.raises(PatchError) as refused:
        written().row_patches("shop.orders", ORDER | {"status": "big big"}, "v")
    assert refused.value.message == (
        "table shop.orders: hook shop_hooks:split returned two rows for one item for the row with customer_id 3, id 7"
    )


def test_a_hook_that_fails_shows_the_key_and_no_more(written: Write) -> None:
    with pytest.raises(PatchError) as refused:
        written(HOOKED.replace("split", "forbid")).row_patches("shop.orders", ORDER, "v")
    assert refused.value.message == (
        "table shop.orders: hook shop_hooks:forbid raised ValueError for the row with customer_id 3, id 7"
    )
    assert "draft" not in str(refused.value)


def test_the_digest_is_of_the_hooks_text_too_and_not_of_its_line_ends(written: Write) -> None:
    digest = written().digest
    assert written(module=MODULE.replace("\n", "\r\n")).digest == digest
    assert written(module=MODULE + "# more\n").digest != digest
    assert written(HOOKED.replace("split", "forbid")).digest != digest


def test_without_hooks_the_digest_is_what_it_always_was() -> None:
    assert keymap().digest == "2af145ce1351435d"


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("nowhere_hooks:split", "hook nowhere_hooks:split: there is no module nowhere_hooks"),
        ("shop_hooks.deeper:split", "there is no module shop_hooks.deeper"),
        ("shop_hooks:splt", "module shop_hooks has no function splt"),
        ("shop_hooks:five", "five is no function"),
        ("shop_hooks:lazy", "lazy is a generator or async"),
        ("shop_hooks:later", "later is a generator or async"),
        ("math:sqrt", "module math has no source text"),
        ("itertools:chain", "module itertools has no source text"),  # built in everywhere, and so without a file
        ("split", "module:function is expected"),
    ],
)
def test_a_hook_that_cannot_be_had_is_named_with_its_line(written: Write, call: str, what: str) -> None:
    with pytest.raises(Problems) as found:
        written(HOOKED.replace("shop_hooks:split", call))
    (problem,) = found.value.problems
    assert problem.where == "keymap.yaml:17"
    assert what in problem.what
    assert problem.remedy


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def split(row)", "cannot be imported: SyntaxError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_all_other_mistakes(
    written: Write, module: str, what: str
) -> None:
    text = HOOKED.replace("sk: PROFILE", "sort: PROFILE")
    with pytest.raises(Problems) as found:
        written(text, module)
    assert len(found.value.problems) == 2
    assert f"hook shop_hooks:split: module shop_hooks {what}" in str(found.value)


def test_a_module_beside_the_keymap_never_takes_the_place_of_an_installed_one(written: Write, tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text(MODULE)
    with pytest.raises(Problems, match="module colorsys is beside the keymap, and another of its name comes first"):
        written(HOOKED.replace("shop_hooks", "colorsys"))


def messages(compiled: Keymap) -> list[str]:
    return [str(problem) for problem in check(compiled, SCHEMAS)]


def test_a_column_that_a_hook_makes_is_known_and_may_hold_anything(written: Write) -> None:
    assert messages(written()) == []
    text = HOOKED.replace("constants:", "types: {word: BOOL}\n      defaults: {word: x}\n      constants:")
    assert messages(written(text)) == []
    assert any(
        "column wrd does not exist in shop.orders" in m for m in messages(written(HOOKED.replace("{word}", "{wrd}")))
    )


def test_a_column_that_a_hook_makes_may_be_padded_and_go_through_functions(written: Write) -> None:
    assert messages(written(HOOKED.replace("#{word}", "#{word:05d}"))) == []
    computed = 'attributes: {loud: "{word|upper}", each: {map: {w: {from: "{word}", type: NS}}}}'
    assert messages(written(HOOKED.replace("constants:", f"{computed}\n      constants:"))) == []


def test_a_column_that_a_hook_makes_may_be_null(written: Write) -> None:
    (message,) = messages(written(HOOKED.replace(", is_null: false", ", is_null: true")))
    assert "column word can be NULL, and 'ORDER#{id:010d}#{word}' needs it" in message


def test_a_column_that_a_hook_makes_does_not_tell_the_primary_key(written: Write) -> None:
    changed = HOOKED.replace("columns: [word]", "columns: [word, id]")
    assert any("the key does not tell primary key column id" in message for message in messages(written(changed)))
    before_id = HOOKED.replace("ORDER#{id:010d}#{word}", "ORDER#{word:05d}{id}")
    assert any("the key does not tell primary key column id" in message for message in messages(written(before_id)))


def test_a_column_that_a_hook_changes_is_no_integer_to_the_proof(written: Write) -> None:
    """`customer_id` may be '1#2' behind the hook, so that what follows it cannot be read from the left."""
    text = HOOKED.replace("columns: [word]", "columns: [word, customer_id]")
    text = text.replace("ORDER#{id:010d}#{word}", "ORDER#{customer_id}#{id}#{word}")
    assert any("the key does not tell primary key column id" in message for message in messages(written(text)))
    assert messages(written(text.replace(", customer_id]", "]"))) == []


def test_the_only_text_of_a_key_tells_nothing_where_a_hook_made_it(written: Write) -> None:
    """Alone, a text is read back whole; but what the hook made of `id` does not tell the `id` that the row had."""
    text = HOOKED.replace("columns: [word]", "columns: [id, word]").replace("ORDER#{id:010d}#{word}", "ORDER#{id}")
    text = text.replace("where: {word: {not_equals: draft, is_null: false}}", "where: {id: {is_null: false}}")
    (message,) = messages(written(text))
    assert "the key does not tell primary key column id" in message


def test_a_column_that_a_hook_makes_may_be_a_key_of_any_type_and_is_looked_at_in_each_row(written: Write) -> None:
    text = HOOKED.replace("ORDER#{id:010d}#{word}", "{word}").replace("sort_key: {sk: S}", "sort_key: {sk: N}")
    text = text.replace("CUSTOMER#{customer_id}", "ORDER#{id}").replace("sk: PROFILE", 'sk: "{id}"')
    assert messages(written(text)) == []
    with pytest.raises(PatchError, match="key sk is of type N"):
        written(text).row_patches("shop.orders", ORDER, "v")


def test_a_hook_goes_before_a_group_too(written: Write) -> None:
    hook = '\n      hook: {call: "shop_hooks:grouped", columns: [quantity]}\n      group:'
    module = MODULE.replace('"productid": row["productid"] + 1', '"quantity": row["quantity"] + 1')
    row = {"customerid": 1, "orderid": 2, "productid": 3, "quantity": 4}
    (patch,) = written(TEXT.replace("\n      group:", hook), module).row_patches("shop.purchase", row, "v")
    assert (patch.slot, patch.attributes) == ("productid3", {"productid3": {"N": "5"}})


def test_an_attribute_that_a_hook_makes_has_no_type_to_rely_on(written: Write) -> None:
    text = HOOKED.replace("sort_key: {sk: S}", "sort_key: {sk: S}\n    indexes: {words: {partition_key: {word: S}}}")
    (message,) = messages(written(text))
    assert "column word is not always of one type, and of type S as a key of index words" in message
    typed = written(text.replace("constants:", "types: {word: S}\n      constants:"))
    assert messages(typed) == []
    assert len(index_risks(typed, SCHEMAS)) == 1


def test_a_group_by_a_column_that_a_hook_changes_is_never_taken_for_whole(written: Write) -> None:
    hook = '\n      hook: {call: "shop_hooks:grouped", columns: [COLUMN]}\n      group:'
    text = TEXT.replace("\n      group:", hook)
    assert uncut_columns(written(text.replace("COLUMN", "quantity")), PURCHASE) == 2
    assert uncut_columns(written(text.replace("COLUMN", "orderid")), PURCHASE) == 0
