"""What an endpoint lacks that DynamoDB has and that we use, found by asking it, and what follows.

An endpoint that is only compatible, such as ScyllaDB's Alternator, has the basic API and parts of what came later;
which parts is a matter of its version. So each is tried with a call that changes nothing. Only one of them cannot be
done without: the control table is written in transactions (TransactWriteItems), and has an endpoint of its own for that
case (`aws.endpoints.control_table`). For the rest there is another way, slower or less exact, and here it is told.
"""

from collections.abc import Iterator
from typing import Any, Final

from keymap.errors import Problem
from keymap.item_units import TABLE
from keymap.patch import Item
from keymap.targets import Target
from keyshift.aws.capacity import read_capacity
from keyshift.aws.clients import ClientError, DynamoDBClient, error_code, explaining

_UNKNOWN: Final = frozenset({"UnknownOperationException", "UnrecognizedOperationException"})
_INVALID: Final = "ValidationException"
_REFUSED: Final = "ConditionalCheckFailedException"
# What a transaction says that was understood: it was refused, as it must be, or there is no such table yet.
_UNDERSTOOD: Final = frozenset({"TransactionCanceledException", "ResourceNotFoundException"})
_NEVER: Final = "attribute_exists(#pk) AND attribute_not_exists(#pk)"


def control_problems(client: DynamoDBClient, table: str) -> list[Problem]:
    """Why the endpoint cannot hold the control table, which may not be there yet. Raises KeyshiftError."""
    if _has_transactions(client, table):
        return []
    what = "its endpoint has no TransactWriteItems, in which the migration is recorded"
    remedy = "Name DynamoDB itself, or an endpoint that has it, in aws.endpoints.control_table; the targets may stay"
    return [Problem("control table", what, remedy)]


def endpoint_notes(client: DynamoDBClient, target: Target) -> list[Problem]:
    """What the endpoint of a table that is there does without, and what follows. Raises KeyshiftError."""
    with explaining(f"trying what the endpoint of table {target.name} knows"):
        return list(_notes(client, target))


def _notes(client: DynamoDBClient, target: Target) -> Iterator[Problem]:
    where = "endpoint of the target tables"
    answered = _consumption(client, target)
    if answered == "TOTAL":
        what = "it tells what a write consumes in one sum, without its indexes apart"
        yield Problem(where, what, "A budget of the load (bulkload.write_…) counts that sum for the table")
    if not answered:
        what = "it does not tell what a write consumes (ReturnConsumedCapacity)"
        yield Problem(where, what, "A budget of the load (bulkload.write_…) goes by our own estimate then")
    capacity = read_capacity(client, target.name)
    if capacity and capacity.throughputs[TABLE].warm_write is None:
        what = "it has no warm throughput"
        yield Problem(where, what, "There is nothing to raise (`keyshift bulkload warm`)")
    if _returns_old(client, target) is False:
        what = "it does not return the item that was in the way of a write (ReturnValuesOnConditionCheckFailure)"
        yield Problem(where, what, "Such items are read, which takes a request more and dynamodb:BatchGetItem")
    if not _has_segments(client, target):
        what = "it does not scan a table in segments"
        yield Problem(where, what, "The load and verify read target tables so: use another version of it")


def _has_transactions(client: DynamoDBClient, table: str) -> bool:
    check: Any = {
        "TableName": table,
        "Key": {"migration": {"S": "doctor"}, "item": {"S": "doctor"}},
        "ConditionExpression": _NEVER,
        "ExpressionAttributeNames": {"#pk": "migration"},
    }
    with explaining("trying a transaction"):
        try:
            client.transact_write_items(TransactItems=[{"ConditionCheck": check}])
        except ClientError as error:
            if error_code(error) in _UNKNOWN:
                return False
            if error_code(error) not in _UNDERSTOOD:
                raise
    return True


def _consumption(client: DynamoDBClient, target: Target) -> str:
    """The finest question about consumed capacity that is answered, "" for none."""
    for question in ("INDEXES", "TOTAL"):
        try:
            answer: Any = client.get_item(
                TableName=target.name,
                Key=_nobodys(target),
                ReturnConsumedCapacity=question,
            )
        except ClientError as error:
            if error_code(error) != _INVALID:
                raise
        else:
            return question if answer.get("ConsumedCapacity") else ""
    return ""


def _returns_old(client: DynamoDBClient, target: Target) -> bool | None:
    """Whether a refusal comes with the item as it was; None where there is no item to try it on."""
    found: Any = client.scan(TableName=target.name, Limit=1)["Items"]
    if not found:
        return None
    key = {part.name: found[0][part.name] for part in target.keys}
    try:
        client.update_item(  # which changes nothing, not even where no condition is looked at
            TableName=target.name,
            Key=key,
            ConditionExpression=_NEVER,
            ExpressionAttributeNames={"#pk": target.partition_key.name},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error_code(error) == _INVALID:
            return False
        if error_code(error) != _REFUSED:
            raise
        return bool(error.response.get("Item"))
    return None  # it was gone meanwhile


def _has_segments(client: DynamoDBClient, target: Target) -> bool:
    try:
        client.scan(TableName=target.name, Limit=1, Segment=1, TotalSegments=2, ConsistentRead=True)
    except ClientError as error:
        if error_code(error) != _INVALID:
            raise
        return False
    return True


def _nobodys(target: Target) -> Item:
    values: dict[str, Any] = {"S": "doctor", "N": "0", "B": b"doctor"}
    return {part.name: {part.type: values[part.type]} for part in target.keys}
