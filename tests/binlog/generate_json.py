"""JSON documents in MySQL's binary form, and as the canonical documents that both readers give."""

import base64
import re
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from keymap.values import Json, json_document
from tests.binlog import encode_json
from tests.binlog.encode_json import Opaque

_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.sampled_from([-1, 0, 32767, 32768, 65535, 65536, -32769, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 63])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["x" * 127, "x" * 128, "é" * 8192])
)


@st.composite
def _opaques(draw: st.DrawFn) -> tuple[Opaque, Any]:
    """A value of a type that JSON does not have, and what MySQL prints for it."""
    kind = draw(st.sampled_from(["decimal", "date", "time", "datetime", "bytes"]))
    if kind == "decimal":
        number = Decimal(f"{draw(st.integers(-(10**30) + 1, 10**30 - 1))}e-5")  # exact, unlike arithmetic
        return encode_json.opaque_decimal(number, 30, 5), number
    if kind == "bytes":
        data = draw(st.binary(max_size=200))
        text = base64.b64encode(data).decode()  # in lines of 76 characters, as the server writes it
        return Opaque(252, data), "base64:type252:" + re.sub(r"(.{76})(?=.)", r"\1\n", text)
    date = (draw(st.integers(1, 9999)), draw(st.integers(1, 12)), draw(st.integers(1, 28)))
    clock = (draw(st.integers(0, 23)), draw(st.integers(0, 59)), draw(st.integers(0, 59)))
    microsecond = draw(st.integers(0, 999_999))
    day, of_day = "{:04d}-{:02d}-{:02d}".format(*date), "{:02d}:{:02d}:{:02d}".format(*clock)
    if kind == "date":
        return encode_json.opaque_moment(encode_json.TYPE_DATE, date, (0, 0, 0, 0)), day
    if kind == "datetime":
        moment = encode_json.opaque_moment(encode_json.TYPE_DATETIME, date, (*clock, microsecond))
        return moment, f"{day} {of_day}.{microsecond:06d}"
    sign = draw(st.sampled_from([1, -1])) if any(clock) else 1
    span = encode_json.opaque_moment(encode_json.TYPE_TIME, (0, 0, 0), (*clock, microsecond), sign)
    return span, f"{'-' if sign < 0 else ''}{of_day}.{microsecond:06d}"


_LEAVES = _PLAIN.map(lambda one: (one, one)) | _opaques()
_KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def _list(items: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    return [one for one, _ in items], [two for _, two in items]


def _object(items: dict[str, tuple[Any, Any]]) -> tuple[Any, Any]:
    return {key: one for key, (one, _) in items.items()}, {key: two for key, (_, two) in items.items()}


_TREES: st.SearchStrategy[tuple[Any, Any]] = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4).map(_list) | st.dictionaries(_KEYS, inner, max_size=4).map(_object),
    max_leaves=10,
)


def documents() -> st.SearchStrategy[tuple[bytes, Json]]:
    """Pairs of the binary form and the canonical document."""
    encoded = st.tuples(_TREES, st.booleans())
    return encoded.map(lambda one: (encode_json.document(one[0][0], large=one[1]), json_document(one[0][1])))
