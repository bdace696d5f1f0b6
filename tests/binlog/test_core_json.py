"""Binary JSON in C gives what Python makes of it, or leaves it to Python."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshift.binlog import stored
from tests.binlog import encode_json
from tests.binlog.encode_values import prefixed
from tests.binlog.generate_json import documents

jsonb = pytest.importorskip("keyshift.binlog._jsonb", reason="not built: there is no C compiler here")


@settings(max_examples=300)
@given(documents())
def test_binary_json_in_c_gives_the_canonical_text_or_leaves_it(document: tuple[bytes, object]) -> None:
    data, expected = document
    found = jsonb.canonical(b"x" + data + b"x", 1, 1 + len(data))
    assert found in (None, expected)
    assert found is not None or encode_json.OPAQUE in data


@settings(max_examples=300)
@given(documents(), st.data())
def test_changed_binary_json_is_read_in_c_only_where_it_is_also_read_in_python(
    document: tuple[bytes, object], data: st.DataObject
) -> None:
    changed = bytearray(document[0])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = jsonb.canonical(bytes(changed), 0, len(changed))
    if found is not None:
        assert found == stored.json(4)(prefixed(bytes(changed), 4), 0)[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "ab": 2, "a": [], "é": {}}, '{"a":[],"ab":2,"b":1,"é":{}}'),
        ([-32768, 65535, -2147483648, 4294967295, -(1 << 63), (1 << 64) - 1], None),
        ([None, True, False, "", "x" * 200], '[null,true,false,"","' + "x" * 200 + '"]'),
        ([0.1, 1.0, -0.0, 1e15, 1e16, 1e38, 5e-324], "[0.1,1,0,1000000000000000,10000000000000000,1E+38,5E-324]"),
        ("".join(map(chr, range(0x80))), None),
        ({f"k{number:03d}": number for number in range(500)}, None),
        ("😀é", '"😀é"'),
    ],
)
def test_the_usual_documents_are_read_in_c(value: object, text: str | None) -> None:
    for large in (False, True):
        data = encode_json.document(value, large=large)
        found = jsonb.canonical(data, 0, len(data))
        assert found == stored.json(4)(prefixed(data, 4), 0)[0]
        assert type(found).__name__ == "Json"
        assert text in (None, found.text)


def test_json_that_is_nested_up_to_the_servers_limit_is_read_in_c_and_no_deeper() -> None:
    def nested(depth: int) -> bytes:
        value: object = []
        for _ in range(depth - 1):
            value = [value]
        return encode_json.document(value)

    deep, deeper = nested(100), nested(101)
    assert jsonb.canonical(deep, 0, len(deep)).text == "[" * 100 + "]" * 100
    assert jsonb.canonical(deeper, 0, len(deeper)) is None
