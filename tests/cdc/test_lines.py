"""Lines that are written from their parts are those of keymap.wire, byte by byte."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.events import Image, Place, Rows
from cdc.lines import Lines
from keymap.change import Change, Source
from keymap.values import Canonical, Json, Row
from keymap.version import version
from keymap.wire import encode_change

values: st.SearchStrategy[Canonical] = st.one_of(
    st.none(),
    st.integers(-(2**70), 2**70),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.just(Json('{"a":1}')),
)
sets = st.lists(st.sampled_from("abc"), unique=True).map(tuple)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="."), min_size=1, max_size=8)
odd = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def rows(one: st.SearchStrategy[Canonical]) -> st.SearchStrategy[Row]:
    return st.dictionaries(names, one, max_size=6)


def images(one: st.SearchStrategy[Canonical]) -> st.SearchStrategy[Image]:
    row = rows(one)
    return st.one_of(st.tuples(st.none(), row), st.tuples(row, st.none()), st.tuples(row, row))


def as_encoded(event: Rows, image: Image, ordinal: int, **about: Any) -> bytes:
    before, after = image
    op = "c" if before is None else "d" if after is None else "u"
    place = event.place
    source = Source(place.file, place.offset, ordinal, about["gtid"], about["server"], about["ts_ms"])
    number = int(place.file.rpartition(".")[2])
    order = version(about["epoch"], number, place.offset, ordinal)
    return encode_change(Change(op, event.table, before, after, order, source))


events = st.builds(
    lambda has_sets, table, base, offset, first: Rows(
        Place(f"{base}.000123", offset, offset + 1, 0), ".".join(table), [], first, has_sets
    ),
    st.booleans(),
    st.tuples(names, names),
    odd,
    st.integers(0, 10**13 - 1),
    st.integers(0, 10**9 - 10),
)
about = st.fixed_dictionaries(
    {"epoch": st.integers(0, 9999), "server": odd, "gtid": odd, "ts_ms": st.integers(0, 2**45)}
)


@settings(max_examples=400)
@given(events, about, st.data())
def test_a_line_is_what_encoding_the_change_gives(event: Rows, about: dict[str, Any], data: st.DataObject) -> None:
    one = values | sets if event.has_sets else values
    event.images.extend(data.draw(st.lists(images(one), min_size=1, max_size=3)))
    lines = Lines(about["epoch"], about["server"])
    lines.begin(event, about["gtid"], about["ts_ms"])
    for ordinal, image in enumerate(event.images, event.first):
        number, line = lines.line(*image, ordinal)
        assert line == as_encoded(event, image, ordinal, **about)
        assert number == version(about["epoch"], 123, event.place.offset, ordinal)


def test_a_version_that_does_not_fit_its_width_is_refused() -> None:
    event = Rows(Place("b.000001", 4, 5, 0), "d.t", [(None, {"a": Decimal(1)})], first=10**9)
    with pytest.raises(OverflowError):
        Lines(1, "").begin(event, "", 0)
