"""Items added up from their slots are as large as the items that are written."""

from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.attributes import item_size
from keymap.items import group_item, whole_item
from keymap.patch import WHOLE, Patch
from keymap.sizes import Size, Sizer, own_attributes
from keymap.slots import entry_of
from keymap.version import floor
from tests.apply.club import club
from tests.keymap.keymaps import TEXT, keymap

MIGRATION = "shop.0000abcd"
INDEXED = TEXT.replace(
    "  app:\n    partition_key: {pk: S}\n    sort_key: {sk: S}\n",
    """  app:
    partition_key: {pk: S}
    sort_key: {sk: S}
    indexes:
      everything: {partition_key: {name: S}}
      narrow: {partition_key: {name: S}, sort_key: {pk: S}, projection: keys}
      some: {partition_key: {name: S}, projection: [vip]}
    local_indexes:
      beside: {sort_key: {vip: S}, projection: keys}
""",
)
TEXTS = st.text("aä€😀", min_size=1, max_size=9)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["name", "vip", "größe"]),
    st.one_of(st.builds(lambda text: {"S": text}, TEXTS), st.builds(lambda n: {"N": str(n)}, st.integers())),
)


@given(attributes=ATTRIBUTES, key=st.tuples(TEXTS, TEXTS), owner=st.sampled_from(["", "0123456789abcdef"]))
def test_the_parts_of_an_item_of_one_row_add_up(
    attributes: dict[str, dict[str, str]], key: tuple[str, str], owner: str
) -> None:
    made = keymap()
    patch = Patch("app", key, WHOLE, attributes, floor(1), owner)
    sizer = Sizer(made, made.targets["app"], MIGRATION)
    base, slot = sizer.base(patch), sizer.slot(patch)
    item = whole_item(made, MIGRATION, patch)
    if owner:
        item |= {made.bookkeeping.revision: {"N": "1"}}  # the load merges it (keymap.items.put_merged)
    assert base.total + slot.total == item_size(item)
    assert base.books + slot.books == item_size(item) - item_size(made.bookkeeping.data(item))


@settings(max_examples=50)
@given(products=st.sets(st.integers(1, 10**6), min_size=1, max_size=30))
def test_the_parts_of_a_shared_item_add_up(products: set[int]) -> None:
    made = keymap()
    patches = [
        Patch("purchases", (7, 8), f"productid{one}", {f"productid{one}": {"N": str(one)}}, floor(1))
        for one in products
    ]
    sizer = Sizer(made, made.targets["purchases"], MIGRATION)
    parts = [sizer.base(patches[0]), *map(sizer.slot, patches)]
    item = group_item(made, MIGRATION, patches)
    assert sum(part.total for part in parts) == item_size(item)
    assert sum(part.data for part in parts) == item_size(made.bookkeeping.data(item))


@given(attributes=ATTRIBUTES)
def test_what_an_index_holds_is_what_it_projects(attributes: dict[str, dict[str, str]]) -> None:
    made = keymap(INDEXED)
    sizer = Sizer(made, made.targets["app"], MIGRATION)
    patch = Patch("app", ("a", "b"), WHOLE, attributes, floor(1))
    base, slot = sizer.base(patch), sizer.slot(patch)
    item = whole_item(made, MIGRATION, patch)

    def held(*names: str) -> int:
        return item_size({name: item[name] for name in ("pk", "sk", *names) if name in item})

    sums = list(map(int.__add__, sizer.projected_base(base), sizer.projected_slot(patch, slot)))
    assert sums == [item_size(item), held("name"), held("name", "vip"), held("vip")]
    present = [sizer.present(patch) & wanted == wanted for wanted in sizer.wanted]
    assert present == ["name" in item] * 3 + ["vip" in item]


@given(slots=st.dictionaries(st.sampled_from(["", ".guests.1", ".guests.ü", ".remarks.1", "x_a"]), TEXTS, min_size=1))
def test_the_parts_of_an_item_with_all_kinds_of_slots_add_up(slots: dict[str, str]) -> None:
    made = club()
    sizer = Sizer(made, made.targets["bookings"], MIGRATION)
    patches = [shared(slot, text) for slot, text in slots.items()]
    parts = [sizer.base(patches[0]), *map(sizer.slot, patches)]
    present = 0
    for patch in patches:
        present |= sizer.present(patch)
    frames, _ = sizer.frames(present & sizer.maps)
    item = group_item(made, MIGRATION, patches)
    assert sum(part.data for part in parts) + frames == item_size(made.bookkeeping.data(item))
    assert sum(part.total for part in parts) + frames == item_size(item)


def shared(slot: str, text: str) -> Patch:
    """A part of a booking that several rows share."""
    entry = entry_of(slot)
    names = ("text",) if slot == WHOLE else None
    attributes = {entry[1] if entry else slot or "text": {"S": text}}
    return Patch("bookings", (7,), slot, attributes, floor(1), "" if slot.startswith(".r") else "f" * 16, names)


def test_what_is_inside_an_entry_is_no_attribute_of_the_item() -> None:
    patch = Patch("app", ("a", "b"), ".lines.name", {"name": {"S": "x"}}, floor(1))
    assert own_attributes(patch) == {}


def test_a_size_is_its_two_parts() -> None:
    assert Size(3, 4).total == 7
