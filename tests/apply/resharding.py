"""What an operator does to the shards of a stream."""

from tests.apply.stage import Stage, eventually


def open_shards(stage: Stage) -> list[tuple[int, int, str]]:
    """First and last hash key, and id."""
    listed = stage.kinesis.list_shards(StreamName=stage.stream)["Shards"]
    ranges = [
        (int(one["HashKeyRange"]["StartingHashKey"]), int(one["HashKeyRange"]["EndingHashKey"]), one["ShardId"])
        for one in listed
        if "EndingSequenceNumber" not in one["SequenceNumberRange"]
    ]
    return sorted(ranges)


def split(stage: Stage) -> None:
    """Every shard in two."""
    for first, last, shard in open_shards(stage):
        middle = str((first + last) // 2)
        stage.kinesis.split_shard(StreamName=stage.stream, ShardToSplit=shard, NewStartingHashKey=middle)
        settle(stage)


def merge(stage: Stage) -> None:
    """The two shards in the middle, which had different parents, become one."""
    shards_now = open_shards(stage)
    left, right = shards_now[len(shards_now) // 2 - 1 : len(shards_now) // 2 + 1]
    stage.kinesis.merge_shards(StreamName=stage.stream, ShardToMerge=left[2], AdjacentShardToMerge=right[2])
    settle(stage)


def settle(stage: Stage) -> None:
    def is_active() -> bool:
        summary = stage.kinesis.describe_stream_summary(StreamName=stage.stream)["StreamDescriptionSummary"]
        return bool(summary["StreamStatus"] == "ACTIVE")

    eventually(is_active)


def keeps_parents(stage: Stage) -> bool:
    """ministack deletes a parent and its records when it is split: with it, only a drained stream can be resharded."""
    return stage.endpoints.urls["kinesis"] != stage.endpoints.url
