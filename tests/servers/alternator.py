"""What ScyllaDB's Alternator does otherwise, as rules for a fault proxy before an endpoint that has it all.

Of its documentation ("ScyllaDB Alternator for DynamoDB users") and its source (alternator/server.cc,
alternator/consumed_capacity.cc): an operation that it does not have is an UnknownOperationException, consumption is not
told by index, or (older) not at all, there is no throughput to provision or to keep warm, and the item that was in the
way of a write is returned since 2024.
"""

import json

from tests.servers.fault_proxy import Rule
from tests.servers.faults import Answer, Call, forgetful, refusal

MISSING = ("TransactWriteItems", "TransactGetItems", "DescribeContinuousBackups")


def unsupported(call: Call) -> Answer:
    """An operation that is not there."""
    return refusal("UnknownOperationException", f"Unsupported operation {call.operation}")


def reckoning(call: Call) -> Answer:
    """A question for what each index consumed is refused; the other is answered without names."""
    if b'"ReturnConsumedCapacity":"INDEXES"' in call.body.replace(b": ", b":"):
        return refusal("ValidationException", "INDEXES consumed capacity is not supported")
    answer = call.forward(call.body)
    told = json.loads(answer.body)
    if isinstance(told.get("ConsumedCapacity"), dict):
        told["ConsumedCapacity"] = {"CapacityUnits": told["ConsumedCapacity"]["CapacityUnits"]}
    return Answer(answer.status, json.dumps(told).encode(), {"content-type": "application/x-amz-json-1.0"})


def uncounted(call: Call) -> Answer:
    """Nothing is told of what was consumed, whatever is asked."""
    answer = call.forward(call.body)
    told = {name: value for name, value in json.loads(answer.body).items() if name != "ConsumedCapacity"}
    return Answer(answer.status, json.dumps(told).encode(), {"content-type": "application/x-amz-json-1.0"})


def without_capacity(call: Call) -> Answer:
    """A table has no throughput of its own."""
    answer = call.forward(call.body)
    told = json.loads(answer.body)
    table = told.get("Table", {})
    for place in (table, *table.get("GlobalSecondaryIndexes", ())):
        place.pop("WarmThroughput", None)
    return Answer(answer.status, json.dumps(told).encode(), {"content-type": "application/x-amz-json-1.0"})


NEWER = (
    Rule(unsupported, MISSING),
    Rule(without_capacity, ("DescribeTable",)),
    Rule(reckoning, ("BatchWriteItem", "GetItem")),
)
OLDER = (
    Rule(unsupported, (*MISSING, "DescribeTimeToLive")),
    Rule(without_capacity, ("DescribeTable",)),
    Rule(forgetful, ("PutItem", "UpdateItem", "DeleteItem")),
    Rule(uncounted, ("BatchWriteItem", "GetItem")),
)
