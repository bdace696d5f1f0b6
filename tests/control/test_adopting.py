"""A migration that gets another keymap: what is remembered of those before, and who may still take part."""

import sys
from pathlib import Path

import pytest

from keymap.errors import KeyshiftError, Problems
from keymap.rules import parse_keymap
from keyshift.control.keymaps import kept_keymap, read_keymap, record_keymap
from keyshift.control.migration import adopt, adopted, load, require_adopted, require_digest, show_digest
from keyshift.control.phase import KeymapChanged, Phase, read_phase
from keyshift.control.store import Store
from tests.apply.keymaps import TEXT, shop
from tests.control.conftest import TABLES
from tests.control.network import Fate, Network

FIRST, SECOND, THIRD = "d" * 64, "e" * 16, "f" * 16
MORE = (*TABLES, "shop.visit")


def test_a_keymap_is_kept_and_read_back(store: Store) -> None:
    assert read_keymap(store, shop().digest) is None
    for _ in range(2):
        record_keymap(store, shop())
    found = read_keymap(store, shop().digest)
    assert found
    assert found.rules_only.digest == shop().digest


def test_a_kept_keymap_is_the_migrations_only_with_the_modules_of_its_hooks(store: Store, tmp_path: Path) -> None:
    """The text is kept, the modules are where the process runs: the digest says whether they belong together."""
    text = TEXT.format(prefix="").replace("where:", 'hook: {call: "kept_hooks:same"}\n      where:')
    module = tmp_path / "kept_hooks.py"
    module.write_text("def same(row):\n    return [row]\n")
    keymap = parse_keymap(text, "keymap.yaml", tmp_path)
    with pytest.raises(KeyshiftError, match=f"does not have keymap {keymap.digest}"):
        kept_keymap(store, keymap.digest, tmp_path)
    record_keymap(store, keymap)
    assert kept_keymap(store, keymap.digest, tmp_path).digest == keymap.digest
    module.write_text("def same(row):\n    return [dict(row)]\n")
    del sys.modules["kept_hooks"]
    with pytest.raises(KeyshiftError, match=r"of its hooks other modules are here: kept_hooks\. Deploy"):
        kept_keymap(store, keymap.digest, tmp_path)
    module.unlink()
    del sys.modules["kept_hooks"]
    with pytest.raises(Problems, match="there is no module kept_hooks"):
        kept_keymap(store, keymap.digest, tmp_path)


def test_the_tables_that_changed_since_a_former_keymap_are_known(store: Store) -> None:
    before = load(store)
    for _ in range(2):
        adopt(store, before, SECOND, MORE, ("shop.visit",))
    with pytest.raises(KeyshiftError, match="is not finished"):
        require_adopted(load(store))
    for _ in range(2):
        adopted(store)
    found = load(store)
    require_adopted(found)
    require_digest(found, SECOND)
    assert (found.tables, found.changed_since(SECOND), found.changed_since(THIRD)) == (MORE, frozenset(), None)
    assert found.changed_since(FIRST) == {"shop.visit"}
    adopt(store, found, FIRST, MORE, TABLES[:1])
    adopt(store, load(store), THIRD, MORE, TABLES[1:])
    found = load(store)
    assert found.changed_since(SECOND) == {*TABLES}
    assert found.changed_since(FIRST) == {TABLES[1]}, "as it was last"


def test_two_who_adopt_at_once_do_not_both(store: Store) -> None:
    before = load(store)
    adopt(store, before, SECOND, TABLES, ())
    with pytest.raises(KeyshiftError, match="another keymap meanwhile"):
        adopt(store, before, THIRD, TABLES, ())


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNSENT])
def test_a_lost_answer_is_no_other_outcome(store: Store, network: Network, fate: Fate) -> None:
    before = load(store)
    for step in (
        lambda: adopt(store, before, SECOND, TABLES, TABLES[:1]),
        lambda: show_digest(store, SECOND),
        lambda: adopted(store),
    ):
        network.through(fate, step)
    assert (load(store).digest, len(load(store).former), load(store).adopting) == (SECOND, 1, False)


def test_a_batch_that_begins_later_sees_that_it_has_another_keymap(store: Store) -> None:
    assert read_phase(store, FIRST) is Phase.LOAD
    for _ in range(2):
        show_digest(store, SECOND)
    assert read_phase(store, SECOND) is read_phase(store) is Phase.LOAD
    with pytest.raises(KeymapChanged, match="has adopted keymap eeee"):
        read_phase(store, FIRST)
