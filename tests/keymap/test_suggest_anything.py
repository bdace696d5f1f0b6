"""Whatever tables a database has, the keymap that is proposed for them fits."""

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from keymap.check import check
from keymap.errors import KeyshiftError
from keymap.rules import parse_keymap
from keymap.schema import TableSchema
from keymap.suggest import Index, Reference, TableFacts, suggest
from tests.keymap.keymaps import column
from tests.keymap.proposals import proposed, uncommented

NAMES = st.one_of(
    st.sampled_from(["id", "pk", "sk", "type", "a", "b", "c", "ttl", "gsi1pk", "_ks_v", "order", "yes", "null", "1"]),
    st.text(st.characters(min_codepoint=1, max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=6),
)
USUAL = st.sampled_from(["int", "bigint unsigned", "varchar(20)", "tinyint(1)", "datetime"])
UNUSUAL = st.sampled_from(
    """tinyint smallint_unsigned bit(1) bit(64) year decimal(10,2) decimal(65,30) float double date timestamp time
    char(2) varchar(255) varchar(1000) text longtext binary(16) varbinary(500) blob json enum('a') set('a') xmltype
    point""".split()
).map(lambda kind: kind.replace("_", " "))
TYPES = st.one_of(USUAL, USUAL, UNUSUAL)


@st.composite
def tables_with(draw: st.DrawFn, name: str, parents: list[TableFacts]) -> TableFacts:
    """A table with foreign keys to some of these, whose primary key is often made of them."""
    columns = {
        each: column(each, draw(TYPES), nullable=draw(st.booleans())) for each in draw(st.sets(NAMES, max_size=4))
    }
    references = []
    for at, parent in enumerate(draw(st.lists(st.sampled_from(parents), max_size=3)) if parents else ()):
        key = parent.schema.primary_key
        pointing = tuple(f"{at}to{number}" for number in range(len(key)))
        nullable = draw(st.integers(0, 3)) == 0
        for each, pointed in zip(pointing, key, strict=True):
            columns[each] = replace(parent.schema.column(pointed), name=each, nullable=nullable)
        references += [Reference(pointing, parent.name, key, draw(st.booleans()))] if key else []
    names = sorted(columns) or ["id"]
    columns = columns or {"id": column("id")}
    pointing = [each for reference in references[: draw(st.integers(0, 2))] for each in reference.columns]
    others = draw(st.lists(st.sampled_from(names), max_size=2))
    key = tuple(dict.fromkeys(pointing + others))
    indexes = draw(st.lists(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True), max_size=4))
    return TableFacts(
        TableSchema(
            "shop", name, tuple(replace(c, nullable=c.nullable and c.name not in key) for c in columns.values()), key
        ),
        tuple(references),
        tuple(Index(f"i{at}", tuple(chosen)) for at, chosen in enumerate(indexes)),
    )


@st.composite
def databases(draw: st.DrawFn) -> list[TableFacts]:
    """Tables whose keys, foreign keys and indexes are any, as long as a server could have them."""
    tables: list[TableFacts] = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=6, unique=True)):
        tables.append(draw(tables_with(name, tables)))
    return draw(st.permutations(tables))


@settings(max_examples=300)
@given(databases())
def test_every_proposal_fits_its_tables(tables: list[TableFacts]) -> None:
    try:
        document = proposed(*tables)
    except KeyshiftError:
        return  # none of the tables can be migrated
    assert len(document["targets"]) == 1
    text = suggest(tables)
    assert text == suggest(tables)
    assert max(map(len, text.splitlines())) < 400
    assert check(parse_keymap(uncommented(text), "keymap.yaml"), {facts.name: facts.schema for facts in tables}) == []
    assert not re.search(r"[^\x20-\uffff\n]", text)
