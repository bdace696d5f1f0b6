"""The stream is resharded while the daemon sends: every lane's records stay in order, parents before children."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from keyshift.aws import stream
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.endpoints import Endpoints
from tests.cdc.world import World, make_world
from tests.cdc.writer import Writer
from tests.servers.kinesis_local import kinesis_local

HASH_KEYS = 1 << 128


@pytest.fixture
def endpoints() -> Iterator[Endpoints]:
    """With a stream that keeps a parent's records, as AWS does."""
    with Endpoints({"kinesis": kinesis_local()}) as started:
        yield started


@pytest.fixture
def world(database: Database, endpoints: Endpoints, schema: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(database, endpoints, schema, tmp_path)
    yield made
    made.clients.close()


def test_a_stream_that_is_split_and_merged_under_the_daemon_and_read_by_the_next_one(world: World) -> None:
    kinesis, name = world.clients.kinesis, world.migration.stream
    first, second = (shard.id for shard in stream.shards(kinesis, name))

    def is_active() -> bool:
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return cast("str", summary["StreamStatus"]) == "ACTIVE"

    def settled() -> list[str]:
        world.wait_until(is_active, "the stream to be resharded")
        time.sleep(0.7)  # and something is sent to the shards that there are now
        return [shard.id for shard in stream.shards(kinesis, name)]

    with world.daemon():
        world.wait_started()
    with Writer(world) as writer:
        with world.daemon():
            time.sleep(0.7)
            kinesis.split_shard(StreamName=name, ShardToSplit=first, NewStartingHashKey=str(HASH_KEYS // 4))
            _, _, _, right = settled()
            kinesis.merge_shards(StreamName=name, ShardToMerge=right, AdjacentShardToMerge=second)
            assert len(settled()) == 5
        process = world.spawn()  # its beginning reads what the stream holds, of all shards
        fence = world.capture().fence
        world.wait_until(lambda: world.capture().fence > fence, "the next daemon to have the lease")
        time.sleep(1)
        process.kill()
        process.wait()
    with world.daemon():
        world.wait_caught_up()
    assert writer.commits > 100
    assert world.errors == []
    world.require_same()
    counted = Counter(shard for shard, page in world.pages() if page)
    assert len(counted) == 5
