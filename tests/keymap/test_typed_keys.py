"""A key of type N or B is what one field gives, in the one form that equal keys share."""

import pytest

from keymap.template import PatchError
from tests.keymap.keymaps import keymap

NUMBERED = """\
keyshift: 1
targets:
  log:
    partition_key: {at: N}
    sort_key: {num: N}
tables:
  shop.log:
    - target: log
      key: {at: "{shown|epoch(zone='Europe/Berlin')}", num: "{code|number}"}
      include: []
"""


def numbered(text: str = NUMBERED, **values: object) -> tuple:
    row = {"shown": "2024-02-29T01:00:00", "code": "007", **values}
    (patch,) = keymap(text).row_patches("shop.log", row, "v")  # type: ignore[arg-type]
    return patch.key


def test_a_key_of_type_n_may_be_what_functions_give() -> None:
    assert numbered() == (1709164800, 7)
    assert keymap(NUMBERED).targets["log"].key_item(numbered()) == {"at": {"N": "1709164800"}, "num": {"N": "7"}}


@pytest.mark.parametrize("code", ["7", "007", "7.00", "+7", "70e-1", ".7e1"])
def test_texts_of_one_number_are_one_key(code: str) -> None:
    assert repr(numbered(code=code)[1]) == "7"


@pytest.mark.parametrize("code", ["7.5", "07.50", "75e-1"])
def test_texts_of_one_fraction_are_one_key(code: str) -> None:
    assert repr(numbered(code=code)[1]) == "Decimal('7.5')"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"code": None}, "key num is of type N, and '{code|number}' gives none"),
        ({"code": "x7"}, "column code: number takes a number's text, and this is none"),
        ({"code": "1" * 39}, "key num is of type N, and '{code|number}' gives none"),
        ({"code": "1e126"}, "key num is of type N, and '{code|number}' gives none"),
    ],
)
def test_what_is_no_number_of_dynamodb_is_refused_as_a_key(values: dict, message: str) -> None:
    with pytest.raises(PatchError) as refused:
        numbered(**values)
    assert message in refused.value.message
    assert "111" not in str(refused.value)


def test_a_text_of_defaults_never_becomes_a_number() -> None:
    with pytest.raises(PatchError, match="is of type N"):
        numbered(NUMBERED + "      defaults: {code: '5'}\n", code=None)
    assert numbered(NUMBERED.replace("|number", "|number|default(5)"), code=None)[1] == 5


def test_a_key_of_type_b_is_bytes_whatever_stands_in_for_null() -> None:
    text = NUMBERED.replace("num: N", "num: B").replace("code|number", "code|coalesce(other)")
    assert numbered(text, code=None, other=b"x")[1] == b"x"
    with pytest.raises(PatchError, match="key num has 0 bytes"):
        numbered(text, code=b"")
