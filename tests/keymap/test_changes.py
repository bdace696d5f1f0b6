"""What differs between two keymaps: which tables mean the same in both, and what cannot be changed at all."""

import sys
from pathlib import Path

import pytest

from keymap.changes import changes, kept
from keymap.rules import Keymap, load_keymap
from tests.keymap.keymaps import TEXT, keymap

ORDERS, PURCHASE, CUSTOMER = "shop.orders", "shop.purchase", "shop.customer"
VISIT = "  shop.visit:\n    - target: {target}\n      key: {{{key}}}\n"


def edited(old: str, new: str) -> Keymap:
    assert old in TEXT
    return keymap(TEXT.replace(old, new))


def test_a_keymap_that_is_only_written_otherwise_changes_nothing() -> None:
    found = changes(kept(keymap()), keymap("# a remark\n" + TEXT.replace("type: order", 'type: "order"')))
    assert (found.changed, found.added, found.problems) == ((), (), ())


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("ORDER#{id:010d}", "ORDER#{id}", (ORDERS,)),
        ("constants: {type: order}", "constants: {type: bought}", (ORDERS,)),
        ("not_equals: draft", "not_equals: dropped", (ORDERS,)),
        ('group: {attribute: "productid{productid}"', 'group: {attribute: "p{productid}"', (PURCHASE,)),
        ("types: {vip: BOOL}", "exclude: [vip]", (CUSTOMER,)),
        (
            "sort_key: {sk: S}\n",
            "sort_key: {sk: S}\n    indexes: {by_total: {partition_key: {total_price: N}}}\n",
            (ORDERS, CUSTOMER),
        ),
    ],
)
def test_tables_whose_rules_differ_are_named_and_no_others(old: str, new: str, changed: tuple[str, ...]) -> None:
    found = changes(kept(keymap()), edited(old, new))
    assert (found.changed, found.added, found.problems) == (changed, (), ())


def test_a_new_table_changes_those_whose_items_it_may_share() -> None:
    """Their rows are put whole before, and updated in place behind it."""
    alone = VISIT.format(target="app", key='pk: "VISIT#{id}", sk: A')
    shared = VISIT.format(target="app", key='pk: "CUSTOMER#{customer_id}", sk: PROFILE')
    found = changes(kept(keymap()), keymap(TEXT + alone))
    assert (found.changed, found.added) == ((), ("shop.visit",))
    found = changes(kept(keymap()), keymap(TEXT + shared))
    assert (found.changed, found.added) == ((CUSTOMER,), ("shop.visit",))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("keyshift: 1", "keyshift: 1\nbookkeeping_prefix: _x", "bookkeeping_prefix was _ks"),
        ("partition_key: {customerid: N}\n", "partition_key: {customerid: S}\n", "its key was another"),
        (TEXT[TEXT.index("  shop.customer") :], "", "it is captured, and the keymap has it no more"),
    ],
)
def test_what_cannot_be_changed_is_told(old: str, new: str, what: str) -> None:
    (problem,) = changes(kept(keymap()), edited(old, new)).problems
    assert what in problem.what


def test_a_hook_whose_text_differs_changes_its_tables_and_need_not_be_there_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "keymap.yaml").write_text(
        TEXT.replace("types: {vip: BOOL}", 'hook: {call: "told_hooks:same", columns: []}')
    )

    def written(text: str) -> Keymap:
        (tmp_path / "told_hooks.py").write_text(text)
        sys.modules.pop("told_hooks", None)
        return load_keymap(tmp_path / "keymap.yaml")

    former = kept(written("def same(row):\n    return row\n"))
    assert changes(former, written("def same(row):\n    return row\n")).changed == ()
    assert changes(former, written("def same(row):\n    return dict(row)  # another\n")).changed == (CUSTOMER,)
    (tmp_path / "told_hooks.py").unlink()
    sys.modules.pop("told_hooks", None)
    assert former.rules_only.rules[CUSTOMER][0].hook is None
    assert changes(former, keymap()).changed == (CUSTOMER,)
