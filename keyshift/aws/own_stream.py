"""The Kinesis stream as a resource: made, checked and removed, each safe to repeat."""

from dataclasses import dataclass
from typing import Any

from keymap.errors import Problem, Problems
from keyshift.aws.clients import BotoCoreError, ClientError, KinesisClient, error_code, explaining
from keyshift.aws.ownership import TAG, wait_until
from keyshift.process.stop import NEVER, Stop

_MISSING = "ResourceNotFoundException"
_IN_USE = "ResourceInUseException"


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """A stream as AWS describes it. `distribution` is "" where the endpoint does not say."""

    name: str
    status: str
    shards: int
    on_demand: bool
    retention_hours: int
    distribution: str


def stream_facts(client: KinesisClient, name: str) -> StreamFacts | None:
    """The stream as it is, None when there is none. Raises KeyshiftError when AWS cannot be asked."""
    with explaining(f"looking at stream {name}"):
        try:
            summary: Any = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        except ClientError as error:
            if error_code(error) == _MISSING:
                return None
            raise
    return StreamFacts(
        name=name,
        status=summary["StreamStatus"],
        shards=summary["OpenShardCount"],
        on_demand=summary.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND",
        retention_hours=summary["RetentionPeriodHours"],
        distribution=summary.get("RecordDistributionStrategy", ""),
    )


def check_stream(facts: StreamFacts, retention_hours: int) -> list[Problem]:
    """What is wrong with a stream for our purpose."""
    where, found = f"stream {facts.name}", []
    if facts.distribution not in {"", "USER_PARTITION_KEY"}:
        what = f"its record distribution strategy {facts.distribution} ignores partition keys, so nothing keeps order"
        found.append(Problem(where, what, "Set the strategy to USER_PARTITION_KEY, or name another stream"))
    if facts.retention_hours < retention_hours:
        what = f"it keeps records {facts.retention_hours} h, the settings want {retention_hours} h"
        remedy = "Raise its retention period, or lower stream.retention_hours if load and catching up take less"
        found.append(Problem(where, what, remedy))
    return found


def ensure_stream(  # noqa: PLR0913 - what a stream is made of
    client: KinesisClient,
    name: str,
    owner: str,
    *,
    shards: int,
    on_demand: bool,
    retention_hours: int,
    stop: Stop = NEVER,
) -> bool:
    """Make sure of an active stream that keeps records long enough; says whether it is `owner`'s own creation.

    The retention of a stream that is not ours is never changed. Raises Problems for what is wrong with such a stream,
    KeyshiftError when AWS refuses or the stream does not become active within minutes, Stopped.
    """
    _wait_while_deleting(client, name, stop)
    created = stream_facts(client, name) is None and _create(client, name, owner, shards, on_demand=on_demand)
    facts = _wait_active(client, name, stop)
    with explaining(f"tagging stream {name}"):
        ours = _is_ours(client, name, owner)
        if created and not ours:  # ministack ignores the tags of CreateStream
            client.add_tags_to_stream(StreamName=name, Tags={TAG: owner})
    if (created or ours) and facts.retention_hours < retention_hours:
        facts = _raise_retention(client, name, retention_hours, stop)
    Problems.raise_if_any(check_stream(facts, retention_hours))
    return created or ours


def delete_stream(client: KinesisClient, name: str, *, stop: Stop = NEVER) -> None:
    """Remove the stream with all it holds, and wait until it is gone; it may be gone already."""
    with explaining(f"deleting stream {name}"):
        try:
            client.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
        except ClientError as error:
            if error_code(error) not in {_MISSING, _IN_USE}:  # in use: it is being deleted
                raise
    wait_until(lambda: stream_facts(client, name) is None, f"stream {name} to be gone", stop)


def stream_size(shards: int, *, on_demand: bool) -> dict[str, Any]:
    """What CreateStream is told of the stream's size."""
    return {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}} if on_demand else {"ShardCount": shards}


def _create(client: KinesisClient, name: str, owner: str, shards: int, *, on_demand: bool) -> bool:
    """Whether our call is known to have created the stream."""
    size: Any = stream_size(shards, on_demand=on_demand)
    with explaining(f"creating stream {name}"):
        try:
            client.create_stream(StreamName=name, Tags={TAG: owner}, **size)
        except ClientError as error:
            if error_code(error) != _IN_USE:
                raise
            return False
    return True


def _is_ours(client: KinesisClient, name: str, owner: str) -> bool:
    try:
        tags = client.list_tags_for_stream(StreamName=name)["Tags"]
    except (ClientError, BotoCoreError) as error:
        if "UnknownOperation" in error_code(error):
            return False
        raise
    return {"Key": TAG, "Value": owner} in tags


def _raise_retention(client: KinesisClient, name: str, hours: int, stop: Stop) -> StreamFacts:
    with explaining(f"raising the retention of stream {name} to {hours} h"):
        try:
            client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
        except ClientError as error:
            # The answer of an earlier try was lost: it is being raised, or is as high by now. check_stream looks again.
            if error_code(error) not in {_IN_USE, "InvalidArgumentException"}:
                raise
    return _wait_active(client, name, stop)


def _wait_active(client: KinesisClient, name: str, stop: Stop) -> StreamFacts:
    seen: list[StreamFacts] = []

    def is_active() -> bool:
        facts = stream_facts(client, name)
        seen[:] = [facts] if facts else []
        return facts is not None and facts.status == "ACTIVE"

    wait_until(is_active, f"stream {name} to become active", stop)
    return seen[0]


def _wait_while_deleting(client: KinesisClient, name: str, stop: Stop) -> None:
    def is_settled() -> bool:
        facts = stream_facts(client, name)
        return facts is None or facts.status != "DELETING"

    wait_until(is_settled, f"the former stream {name} to be gone", stop)
