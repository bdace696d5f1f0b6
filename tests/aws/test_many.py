"""Requests that are written from their parts are those that keymap.items makes of the patch."""

from typing import Any, cast

import pytest

from keymap.folding import Put
from keymap.items import put_request
from keymap.wire import encode_row, loads
from keyshift.aws.lean.body import encode
from keyshift.aws.many import ManyWrites
from tests.keymap.keymaps import keymap

TEXT = """\
keyshift: 1
bookkeeping_prefix: "my_ks"
targets:
  one:
    partition_key: {{"p\\"k": {}}}
    sort_key: {{sk: {}}}
tables:
  d.t:
    - target: one
      key: {{"p\\"k": "{{a}}", sk: "{{b}}"}}
"""
VALUES = {"S": 'a "text"', "N": -5, "B": b"\x00\xff"}


@pytest.mark.parametrize("kinds", ["SN", "NB", "BS"])
def test_item_condition_names_and_values(kinds: str) -> None:
    made = keymap(TEXT.format(*kinds))
    (rule,) = made.rules["d.t"]
    row: dict[str, Any] = {"a": VALUES[kinds[0]], "b": VALUES[kinds[1]], "c": b"\x01", "d": 'é"'}
    key = (row["a"], row["b"])
    puts = [Put(rule, key, encode_row(row), "1.2.3"), Put(rule, key, None, "1.2.4")]
    many = ManyWrites(cast("Any", None), made, "shop.1", 1)
    for put in puts:
        ready = many.put(put)
        assert ready
        assert loads(ready[1]) == loads(encode(put_request(made, "shop.1", put.patch())))
        assert ready == ("put_item", ready[1])


def test_what_may_be_too_large_is_left_to_whoever_counts_it_exactly() -> None:
    made = keymap(TEXT.format("S", "S"))
    (rule,) = made.rules["d.t"]
    put = Put(rule, ("a", "b"), {"a": "a", "b": "b", "c": "x" * 410_000}, "1.2.3")
    assert ManyWrites(cast("Any", None), made, "shop.1", 1).put(put) is None
