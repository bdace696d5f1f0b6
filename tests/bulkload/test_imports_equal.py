"""Whatever the keymap: the items that imports bring are those that engine local leaves in the same tables."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from keymap.patch import Item, Key
from keymap.rules import parse_keymap
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.process.sections import AwsSettings, EndpointSettings
from tests.apply.club import TEXT as CLUB
from tests.bulkload.test_imports import forget
from tests.bulkload.world import KEYMAP, World, make_world, migrated, with_bulkload
from tests.cli.conftest import Project
from tests.examples.example import FOLDER, Copy, Example
from tests.servers.fault_proxy import FaultProxy
from tests.servers.import_service import ImportService

pytestmark = pytest.mark.any_pair

# Every kind of slot in items that rows of several tables share, places that two rows have at once, and an empty map.
CLUB_TABLES = (
    "CREATE TABLE seat (id INT PRIMARY KEY, pos INT NOT NULL, text VARCHAR(9))",
    "CREATE TABLE booking (id INT PRIMARY KEY, number INT NOT NULL, text VARCHAR(9), state VARCHAR(9) NOT NULL)",
    "CREATE TABLE guest (id INT PRIMARY KEY, number INT NOT NULL, line INT NOT NULL, text VARCHAR(9))",
    "CREATE TABLE remark (number INT, line INT, text VARCHAR(9), PRIMARY KEY (number, line))",
    "CREATE TABLE extra (id INT PRIMARY KEY, number INT NOT NULL, name VARCHAR(9) NOT NULL, text VARCHAR(9))",
)
CLUB_ROWS = (
    "INSERT INTO seat VALUES (1,1,'a'), (2,2,NULL), (3,3,'c'), (4,2,'d'), (5,5,'e')",
    "INSERT INTO booking VALUES (1,1,'x','paid'), (2,2,NULL,'paid'), (3,3,'z','draft'), (4,4,'w','b'), (5,4,'v','b')",
    "INSERT INTO guest VALUES (1,1,1,'g'), (2,1,2,NULL), (3,2,1,'h'), (4,3,1,'i'), (5,3,1,'j'), (6,6,1,'k')",
    "INSERT INTO remark VALUES (1,1,'r'), (1,2,NULL), (2,1,NULL), (2,2,NULL), (5,1,'s'), (6,1,NULL), (6,2,'t')",
    "INSERT INTO extra VALUES (1,1,'a','p'), (2,1,'b',NULL), (3,2,'a','q'), (4,2,'a','r'), (5,7,'c','t')",
)


@pytest.fixture
def everything(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> Iterator[World]:
    """One migration of all examples' tables, of the shop's and of the club's."""
    world = make_world(database, endpoints, schema, tmp_path)
    project = Project(schema, schema, tmp_path, database, endpoints, lambda *_: None)  # type: ignore[arg-type, return-value]
    copies = [
        Copy(Example(path.name), project, path.name.replace("-", "_")) for path in FOLDER.iterdir() if path.is_dir()
    ]
    world.execute(*CLUB_TABLES, *CLUB_ROWS)
    texts = [
        KEYMAP.format(name=f"{schema}2", schema=schema),
        CLUB.format(prefix=f"{schema}2-").replace("  club.", f"  {schema}."),
        *(copy.example.keymap_of_copies([copy]) for copy in copies),
    ]
    for copy in copies:
        world.execute(f"CREATE DATABASE {copy.schema}")
        copy.execute("setup.sql")
    documents = [yaml.safe_load(text) for text in texts]
    merged = {
        name: {key: value for document in documents for key, value in document[name].items()}
        for name in ("targets", "tables")
    }
    keymap = parse_keymap(yaml.safe_dump({"keyshift": 1, **merged}, sort_keys=False), "all.yaml")
    settings = world.settings.model_copy(update={"migration": "all"})
    yield migrated(database, schema, settings, keymap)
    for copy in copies:
        world.execute(f"DROP DATABASE {copy.schema}")
    world.clients.close()


def items(world: World) -> dict[tuple[str, Key], Item]:
    """All items as they are stored, bookkeeping included, but for how often each was written."""
    revision, found = world.keymap.bookkeeping.revision, {}
    for name, target in world.keymap.targets.items():
        pages = world.clients.dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        for item in (one for page in pages for one in page["Items"]):
            found[name, target.key_of(item)] = spelled(item) | ({revision: {"N": "1"}} if revision in item else {})
    return found


def spelled(value: Any) -> Any:
    """Numbers in one spelling: DynamoDB Local gives an update's 3E+1 as it came, and a put's as 30."""
    if isinstance(value, dict):
        return {name: Decimal(one) if name == "N" else spelled(one) for name, one in value.items()}
    return list(map(spelled, value)) if isinstance(value, list) else value


def test_imports_bring_the_items_that_the_load_writes(everything: World, dynamodb: FaultProxy) -> None:
    """Attribute by attribute, bookkeeping included: of the examples, and where rows share items and pass places on."""
    urls = everything.settings.aws.endpoints.urls
    everything.start_capture()
    assert everything.dump(chunk_rows=2).complete
    assert everything.load().complete
    expected = items(everything)
    assert len(expected) > 50
    forget(everything)
    dynamodb.rules = ImportService(urls["dynamodb"], urls["s3"]).rules
    endpoints = EndpointSettings(**{**urls, "dynamodb": dynamodb.url})
    settings = everything.settings.model_copy(update={"aws": AwsSettings(region="us-east-1", endpoints=endpoints)})
    again = World(**{**vars(everything), "settings": with_bulkload(settings, engine="import")})
    assert again.load().complete
    found = items(everything)
    assert found.keys() == expected.keys()
    assert {place: item for place, item in found.items() if item != expected[place]} == {}
