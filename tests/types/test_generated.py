"""Generated tables and rows, by SELECT and from the binlog: beyond the edges that somebody thought of."""

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyshift.binlog.charsets import decoder
from keyshift.binlog.single_byte import SINGLE_BYTE
from keyshift.cli.demo.database import Database
from tests.types.both import both_ways

EXAMPLES, COLUMNS_MAX, ROWS_MAX = 20, 24, 6  # 0.3 s for each example

SQL = st.SearchStrategy[str]
Typed = tuple[str, SQL]  # a column type, and SQL expressions for its values
LABELS = st.lists(
    st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_characters=",'\\?"), min_size=1, max_size=6),
    min_size=1,
    max_size=12,
    unique_by=lambda label: label.strip().casefold(),
).filter(lambda labels: all(label == label.strip() and label.isprintable() for label in labels))


def text_literal(text: str) -> str:
    return f"_utf8mb4 x'{text.encode().hex()}'" if text else "''"


def bytes_literal(data: bytes) -> str:
    return f"x'{data.hex()}'"


def integers() -> st.SearchStrategy[Typed]:
    sizes = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}

    def typed(kind: str, unsigned: bool) -> Typed:
        bits = sizes[kind]
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return f"{kind}{' unsigned' if unsigned else ''}", st.integers(low, high).map(str)

    return st.builds(typed, st.sampled_from(sorted(sizes)), st.booleans())


def decimals() -> st.SearchStrategy[Typed]:
    def typed(precision: int, scale: int) -> Typed:
        scale = min(scale, precision)
        most = 10**precision - 1
        return f"decimal({precision},{scale})", st.integers(-most, most).map(
            lambda digits: f"{Decimal(digits).scaleb(-scale):f}" if precision <= 28 else _scaled(digits, scale)
        )

    return st.builds(typed, st.integers(1, 65), st.integers(0, 30))


def _scaled(digits: int, scale: int) -> str:
    text = f"{abs(digits):0{scale + 1}d}"
    whole, fraction = text[: len(text) - scale], text[len(text) - scale :]
    return f"{'-' if digits < 0 else ''}{whole}.{fraction}"


def reals() -> st.SearchStrategy[Typed]:
    doubles = st.floats(allow_nan=False, allow_infinity=False).map(repr)
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)
    return st.sampled_from([("double", doubles), ("float", floats)])


def bits() -> st.SearchStrategy[Typed]:
    return st.integers(1, 64).map(lambda width: (f"bit({width})", st.integers(0, 2**width - 1).map(str)))


def _clock(seconds: int, micros: int, digits: int) -> str:
    fraction = f".{micros:06d}"[: digits + 1] if digits else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def temporals() -> st.SearchStrategy[Typed]:
    day = st.builds(
        lambda year, month, day: f"{year:04d}-{month:02d}-{day:02d}",
        st.integers(0, 9999),
        st.integers(0, 12),
        st.integers(0, 31),
    )
    micros = st.integers(0, 999_999)

    def typed(digits: int) -> st.SearchStrategy[Typed]:
        clock = st.builds(lambda seconds, micro: _clock(seconds, micro, digits), st.integers(0, 86_399), micros)
        times = st.builds(
            lambda sign, seconds, micro: f"'{sign}{_clock(seconds, micro, digits)}'",
            st.sampled_from(["", "-"]),
            st.integers(0, 838 * 3600 + 3598),
            micros,
        )
        moments = st.builds(
            lambda seconds, micro: f"FROM_UNIXTIME({seconds}{f'.{micro:06d}'[: digits + 1] if digits else ''})",
            st.integers(1, 2**31 - 2),
            micros,
        )
        datetimes = st.builds("'{} {}'".format, day, clock)
        choices: list[Typed] = [
            (f"time({digits})", times),
            (f"datetime({digits})", datetimes),
            (f"timestamp({digits}) NULL", moments),
            ("date", day.map("'{}'".format)),
            ("year", st.one_of(st.just(0), st.integers(1901, 2155)).map(str)),
        ]
        return st.sampled_from(choices)

    return st.integers(0, 6).flatmap(typed)


def texts() -> st.SearchStrategy[Typed]:
    """Of the character sets of one byte any bytes that are characters; of the others any text of Unicode."""

    def single(charset: str) -> Typed:
        known = [byte for byte in range(256) if _is_character(charset, byte)]
        stored = st.lists(st.sampled_from(known), max_size=40).map(bytes)
        return charset, stored.map(lambda data: f"_{charset} x'{data.hex()}'" if data else "''")

    def unicode_(charset: str) -> Typed:
        most = 0xFFFF if charset in {"ucs2", "utf8mb3"} else 0x10FFFF
        return charset, st.text(st.characters(codec="utf-8", max_codepoint=most), max_size=40).map(text_literal)

    charsets = st.one_of(
        st.sampled_from(sorted(SINGLE_BYTE)).map(single),
        st.sampled_from(["utf8mb4", "utf8mb3", "ucs2", "utf16", "utf16le", "utf32"]).map(unicode_),
    )
    kinds = st.sampled_from(["char(40)", "varchar(40)", "varchar(300)", "tinytext", "text", "mediumtext", "longtext"])
    return st.builds(lambda kind, chosen: (f"{kind} CHARACTER SET {chosen[0]}", chosen[1]), kinds, charsets)


def _is_character(charset: str, byte: int) -> bool:
    try:
        return bool(decoder(charset)(bytes([byte])))
    except UnicodeDecodeError:
        return False


def blobs() -> st.SearchStrategy[Typed]:
    kinds = st.sampled_from(["binary(30)", "varbinary(30)", "varbinary(300)", "tinyblob", "blob", "longblob"])
    data = st.one_of(st.binary(max_size=30), st.binary(max_size=4).map(lambda start: start + bytes(30 - len(start))))
    return kinds.map(lambda kind: (kind, data.map(bytes_literal)))


def labelled() -> st.SearchStrategy[Typed]:
    def typed(labels: list[str], charset: str, kind: str) -> Typed:
        listed = ",".join(f"'{label}'" for label in labels)
        numbers = st.integers(1, len(labels)) if kind == "enum" else st.integers(0, 2 ** len(labels) - 1)
        return f"{kind}({listed}) CHARACTER SET {charset}", numbers.map(str)

    return st.builds(
        typed,
        LABELS,
        st.sampled_from(["utf8mb4", "utf8mb3", "ucs2", "utf16", "utf32"]),
        st.sampled_from(["enum", "set"]),
    )


COLUMN = st.one_of(integers(), decimals(), reals(), bits(), temporals(), texts(), blobs(), labelled())


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Definitions of columns, and rows of expressions."""
    columns = draw(st.lists(COLUMN, min_size=1, max_size=COLUMNS_MAX))
    names = [f"c{number} {kind.removesuffix(' NULL')} NULL" for number, (kind, _) in enumerate(columns)]
    row = st.tuples(*(st.one_of(values, values, values, st.just("NULL")) for _, values in columns)).map(list)
    return names, draw(st.lists(row, min_size=1, max_size=ROWS_MAX))


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(tables())
def test_any_table_reads_the_same_on_both_paths(
    database: Database, schema: str, table: tuple[list[str], list[list[str]]]
) -> None:
    columns, rows = table
    found = both_ways(database, schema, columns, rows)
    assert [row["id"] for row in found] == list(range(len(rows)))
