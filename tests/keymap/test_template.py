"""Templates render what they say, and the proofs about them hold for every row that could come."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.template import PatchError, Template, disjoint, parse_template, recovers
from keymap.values import Json

INTEGERS = frozenset({"i", "j"})
# Few letters and digits, so that accidents happen.
LITERALS = st.text("a#-1", max_size=2)
PLAIN = ("{i}", "{j}", "{i:03d}", "{s}", "{t}", "{i}", "{s}")
THROUGH_FUNCTIONS = (
    "{i|text}", "{i|text|hex}", "{i|shard(10)}", "{i|pad(3)}", "{j|shard(11)}", "{s|text}", "{s|hex}", "{s|base64|hex}",
    "{s|upper}", "{s|left(1)}", "{s|hash(2)}", "{t|upper|hex}", "{t|default('a')}", "{u|shard(10)}", "{u|coalesce(s)}",
    "{u|coalesce(i)|shard(10)}", "{u|shard(10)|default('a#1')}",
)  # fmt: skip
FIELDS = st.sampled_from(PLAIN + THROUGH_FUNCTIONS)
TEMPLATES = st.lists(st.one_of(LITERALS, FIELDS), max_size=5).map("".join)
NUMBERS = (-11, -1, 0, 1, 11, 111)
TEXTS = ("", "1", "-1", "#", "a", "A", "a#1", "11")
ALL_ROWS = [dict(zip("ijstu", values, strict=True)) for values in product(NUMBERS, NUMBERS, TEXTS, TEXTS, (None, "a"))]
ROWS = st.sampled_from(ALL_ROWS)
DEFAULTS = {"u": "1#"}


@given(TEMPLATES)
def test_columns_that_a_template_recovers_can_be_told_from_its_text(text: str) -> None:
    """Over every row of a small world: one text never stands for two values of a recovered column."""
    template = parse_template(text)
    recovered = sorted(recovers(template, INTEGERS, frozenset(DEFAULTS)))
    seen: dict[str, list] = {}
    for row in ALL_ROWS:
        values = [row[name] for name in recovered]
        assert seen.setdefault(template.render(row, DEFAULTS), values) == values


@given(TEMPLATES, TEMPLATES, ROWS, ROWS)
def test_disjoint_templates_never_render_the_same_text(one: str, other: str, row: dict, another: dict) -> None:
    left, right = parse_template(one), parse_template(other)
    if disjoint(left, right):
        assert left.render(row, DEFAULTS) != right.render(another, DEFAULTS)


@given(TEMPLATES, ROWS, st.sampled_from([{}, DEFAULTS]))
def test_the_value_of_a_template_is_its_text_or_its_only_fields_own(text: str, row: dict, defaults: dict) -> None:
    template = parse_template(text)
    value = template.value(row, defaults)
    if value is None:
        with pytest.raises(PatchError, match="NULL in a key"):
            template.render(row, defaults)
    else:
        assert str(value) == template.render(row, defaults)
        assert isinstance(value, str) or template.alone


@pytest.mark.parametrize(
    ("text", "recovered"),
    [
        ("ORDER#{i:010d}", {"i"}),
        ("{i}#{j}", {"i", "j"}),
        ("USER#{s}", {"s"}),
        ("USER#{s}#{i}", {"s", "i"}),
        ("{i}#{s}#{j}", {"i", "s", "j"}),
        ("{i}{j}", set()),
        ("{s}#{t}", set()),
        ("{s}{i}", set()),
        ("{i}#{s}#{t}", {"i"}),
        ("{s}#{t}#{i}", {"i"}),
        ("{i|text}#{s|hex}", {"i", "s"}),
        ("{s|text|base64}", {"s"}),
        ("{s|upper}", set()),
        ("{s|upper|hex}", set()),
        ("{s|upper}#{i}", {"i"}),
        ("{i}#{s|left(1)}#{j}", {"i", "j"}),
        ("{s|upper}#{t}", set()),
        ("{i|pad(10)}", set()),
        ("{i|shard(10)}", set()),
        ("{s|shard(10)}{s}", {"s"}),
        ("{s|shard(10)}#{i}#{s}", {"s", "i"}),
        ("{s}{i|date('%Y-%m')}{j|hash(4)}", {"s"}),
        ("{s}#{t|shard(10)|default('none')}", set()),
        ("{s}#{u|shard(10)}", set()),
        ("{i}#{s|coalesce(t)}", {"i"}),
        ("PROFILE", set()),
    ],
)
def test_what_a_template_recovers(text: str, recovered: set[str]) -> None:
    assert recovers(parse_template(text), INTEGERS, frozenset("u")) == recovered


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ORDER#{i}", "CUSTOMER#{i}", True),
        ("PROFILE", "ORDER#{i}", True),
        ("PROFILE", "PROFILE", False),
        ("{s}#a", "{s}#b", True),
        ("{s}", "ORDER#{i}", False),
        ("ORDER#{i}", "ORDER#{s}", False),
    ],
)
def test_what_is_disjoint(one: str, other: str, expected: bool) -> None:
    assert disjoint(parse_template(one), parse_template(other)) is expected


MISTAKES = {
    "{a.b}": "this is not a column",
    "{a[0]}": "this is not a column",
    "{}": "this is not a column: a field is {column}, {column:010d} or {column|function} (character 2 of '{}')",
    "{|upper}": "this is not a column",
    "{a!r}": "this is not a column",
    "{a": "this is not a column",
    "a}": "a } stands alone: write }} for a brace (character 2 of 'a}')",
    "{a:x}": "the format :x is not known",
    "{a:}": "the format : is not known",
    "{a:.2f}": "the format :.2f is not known",
    "{a:03d|text}": "a format stands alone, without functions: use pad",
    "{a|upper": "the field does not end with }",
    "{a|upper lower}": "the field does not end with }",
    "{a|}": "a function's name must follow |",
    "{a|'x'}": "a function's name must follow |",
    "{a|uper}": "function 'uper' is not known; there are base64, coalesce, date, default, epoch, hash, hex, json, "
    "left, lower, number, pad, shard, text, trim, upper (character 4 of '{a|uper}')",
    "{a|upper(1)}": "upper: it takes no arguments",
    "{a|left}": "left(count): count is missing",
    "{a|left(1, 2)}": "left(count): it takes 1 argument",
    "{a|left(0)}": "left(count): count must be from 1 to 2048, not 0",
    "{a|left('1')}": "left(count): count must be a whole number from 1 to 2048",
    "{a|left(1.5)}": "arguments are set apart by commas, and end with )",
    "{a|left(1x)}": "left(count): count must be a whole number",
    "{a|left(1": "arguments are set apart by commas, and end with )",
    "{a|left(1,)}": "an argument is a whole number, 'text' in single quotes, or a column's name",
    "{a|left('1}": "an argument is a whole number, 'text' in single quotes, or a column's name",
    "{a|pad(3, 'ab')}": "pad(width, fill): fill must be one character",
    "{a|pad(3, width=4)}": "pad(width, fill): width is given twice",
    "{a|pad(width=3, width=4)}": "argument width is given twice",
    "{a|pad(fill=' ', 3)}": "arguments without a name come before those with one",
    "{a|epoch(tz='UTC')}": "epoch(zone): it has no argument tz",
    "{a|epoch(zone='Europe/Berlni')}": "epoch(zone): zone 'Europe/Berlni' is not known: perhaps Europe/Berlin",
    "{a|date('%Q')}": "date(format): date code '%Q' is not known; there are %Y %y",
    "{a|date('%Y%')}": "date(format): date code '%' is not known",
    "{a|date('100%%')}": "date(format): the format holds no date code",
    "{a|shard(1)}": "shard(count): count must be from 2 to 1000000, not 1",
    "{a|hash(65)}": "hash(digits): digits must be from 1 to 64, not 65",
    "{a|default(b)}": "default(value): value must be text in single quotes or a whole number",
    "{a|coalesce(1)}": "coalesce(column): column must be a column",
    "{a|coalesce('')}": "coalesce(column): column is empty",
    "{a|json('a.b')}": "json(path): the path 'a.b' does not begin with $",
    "{a|json('$.a[*]')}": "json(path): the path '$.a[*]' is not understood from character 4 on",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_what_is_not_a_template_is_refused_with_what_and_where(text: str) -> None:
    with pytest.raises(ValueError, match=r"character [0-9]+ of") as refused:
        parse_template(text)
    assert MISTAKES[text] in str(refused.value)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("{c|upper}", [("upper", ())]),
        ("{c |upper()|  lower ( ) }", [("upper", ()), ("lower", ())]),
        ("{c|pad(3,'|')}", [("pad", (("width", 3), ("fill", "|")))]),
        ("{c|pad( fill = ')' , width = 3 )}", [("pad", (("width", 3), ("fill", ")")))]),
        ("{c|default('}''{')}", [("default", (("value", "}'{"),))]),
        ("{c|coalesce(d)|coalesce('d e')}", [("coalesce", (("column", "d"),)), ("coalesce", (("column", "d e"),))]),
    ],
)
def test_how_functions_are_written(text: str, calls: list) -> None:
    (part,) = parse_template(text).parts
    assert part.column == "c"
    assert [(function.name, function.arguments) for function in part.functions] == calls
    assert parse_template(text) == parse_template(text)


@pytest.mark.parametrize("name", ["a b", "it's", "größe", "a-b", "a(b)", "a,b", "$"])
def test_columns_may_have_odd_names(name: str) -> None:
    assert parse_template(f"{{{name}|upper}}").render({name: "x"}, {}) == "X"
    assert parse_template(f"{{{name}}}").bare == name


def test_only_a_plain_field_alone_is_bare() -> None:
    assert parse_template("{a}").bare == "a"
    for text in ("{a|text}", "{a:03d}", "x{a}", "{a}x", "{a}{b}", "x", ""):
        assert parse_template(text).bare == ""


def test_a_template_of_one_field_keeps_the_fields_type() -> None:
    row = {"i": 5, "b": b"x", "j": Json('{"a":true,"n":1.5,"o":{}}'), "u": None, "s": ("a",)}

    def value(text: str) -> object:
        return parse_template(text).value(row, {})

    assert [value(text) for text in ("{i}", "{b}", "{s}", "{i|text}", "{i:03d}", "#{i}", "{{", "")] == [
        5, b"x", ("a",), "5", "005", "#5", "{", ""
    ]  # fmt: skip
    assert value("{j|json('$.a')}") == Json("true")
    assert value("is {j|json('$.a')}, {j|json('$.n')}") == "is true, 1.5"
    assert value("{u|default(0)}") == 0
    assert [value(text) for text in ("{u}", "{u|upper}", "#{u}", "{i}#{u}", "#{j|json('$.x')}")] == [None] * 5


@pytest.mark.parametrize("text", ["#{b}", "#{j}", "#{s}"])
def test_what_has_no_text_is_not_put_into_one(text: str) -> None:
    row = {"b": b"SECRET", "j": Json('"SECRET"'), "s": ("SECRET",)}
    for use in (Template.render, Template.value):
        with pytest.raises(PatchError, match=r"column . holds no text") as refused:
            use(parse_template(text), row, {})
        assert "SECRET" not in str(refused.value)


def test_null_in_a_key_is_refused_unless_a_default_covers_it() -> None:
    template = parse_template("REGION#{s}")
    assert template.render({"s": None}, {"s": "none"}) == "REGION#none"
    with pytest.raises(PatchError, match="column s is NULL"):
        template.render({"s": None}, {})


def test_a_default_stands_for_what_is_null_after_all_functions() -> None:
    template = parse_template("{s|coalesce(t)|date('%Y')}")
    assert template.render({"s": None, "t": None}, {"s": "never"}) == "never"
    assert template.render({"s": None, "t": None}, {"t": "never"}) == "never"
    assert template.value({"s": None, "t": None}, {"t": "never"}) == "never"
    assert template.render({"s": None, "t": "2024-01-01"}, {"s": "never"}) == "2024"
    with pytest.raises(PatchError, match="column s becomes NULL in a key"):
        template.render({"s": None, "t": None}, {})


def test_a_column_that_the_row_lacks_is_named() -> None:
    for text in ("{s}", "{s|upper}", "{i|coalesce(s)}"):
        with pytest.raises(PatchError, match="the row has no column s"):
            parse_template(text).render({"i": None}, {})


def test_braces_can_be_written_twice() -> None:
    assert parse_template("{{{i}}}").render({"i": 5}, {}) == "{5}"
    assert parse_template("{{i}}").render({}, {}) == "{i}"
    assert parse_template("a}}{{").columns == ()
