"""What an event source mapping of Lambda does with a shard: batches in their order, at least once, until all are done.

With BisectBatchOnFunctionError and ReportBatchItemFailures, and without a limit of retries or age, as the stack has it:
an error of the function has the batch halved, a reported failure has what follows it delivered again.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.servers.runtime_api import FunctionError

Record = Mapping[str, Any]  # as Kinesis' GetRecords gives it
REGION = "us-east-1"


def event(stream: str, shard: str, records: Sequence[Record]) -> dict[str, Any]:
    """As Lambda hands over records of one shard."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": one["PartitionKey"],
                    "sequenceNumber": one["SequenceNumber"],
                    "data": base64.b64encode(one["Data"]).decode(),
                    "approximateArrivalTimestamp": one["ApproximateArrivalTimestamp"].timestamp(),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard}:{one['SequenceNumber']}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/keyshift-shop-function",
                "awsRegion": REGION,
                "eventSourceARN": f"arn:aws:kinesis:{REGION}:000000000000:stream/{stream}",
            }
            for one in records
        ]
    }


def read_stream(kinesis: Any, stream: str) -> dict[str, list[Record]]:
    """All records that the stream holds, by shard."""
    found: dict[str, list[Record]] = {}
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        name, records = shard["ShardId"], []
        asked = {"StreamName": stream, "ShardId": name, "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
        while page := kinesis.get_records(ShardIterator=iterator):
            records += page["Records"]
            iterator = page.get("NextShardIterator")
            if not iterator or not (page["Records"] or page.get("MillisBehindLatest")):
                break
        found[name] = records
    return found


@dataclass(slots=True)
class EventSource:
    """Delivers by `invoke`, which is given an event and returns the function's answer, or raises FunctionError.

    `outcomes` has a word for each invocation: "done", "part", or the error's type. `before_retry` is called with it
    before anything is delivered again. A test that goes on for ever is ended after `invocations_max`.
    """

    invoke: Callable[[Mapping[str, Any]], Any]
    stream: str
    batch_records: int
    before_retry: Callable[[str], None] = lambda _outcome: None
    invocations_max: int = 200
    outcomes: list[str] = field(default_factory=list)

    def deliver(self, shard: str, records: Sequence[Record]) -> None:
        """All records of one shard, until the function has done them."""
        size = self.batch_records
        waiting = [records[at : at + size] for at in range(0, len(records), size)]
        while waiting:
            waiting[:1] = self._left(shard, waiting[0])

    def _left(self, shard: str, batch: Sequence[Record]) -> list[Sequence[Record]]:
        """What must be delivered again of a batch, after it was delivered once."""
        assert len(self.outcomes) < self.invocations_max, self.outcomes
        try:
            answer = self.invoke(event(self.stream, shard, batch))
        except FunctionError as error:
            self._told(error.kind)
            half = (len(batch) + 1) // 2
            return [part for part in (batch[:half], batch[half:]) if part]
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        if not failed:
            self.outcomes.append("done")
            return []
        self._told("part")
        numbers = [one["SequenceNumber"] for one in batch]
        assert failed <= set(numbers), "Lambda takes a sequence number that is not in the batch for a failure of all"
        return [batch[min(map(numbers.index, failed)) :]]

    def _told(self, outcome: str) -> None:
        self.outcomes.append(outcome)
        self.before_retry(outcome)
        time.sleep(0.02)
