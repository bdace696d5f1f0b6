"""DynamoDB's import from S3: it makes a new table of files, without write units, and goes on whoever dies.

A request is idempotent by its token for eight hours. After that, or at an endpoint that is less careful, it finds the
table there, and the import is looked for by that. Source: API reference, ImportTable and ListImports; developer guide,
"DynamoDB data import from Amazon S3".
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from keymap.patch import Item
from keymap.targets import Target
from keyshift.aws import table_shape
from keyshift.aws.clients import BotoCoreError, ClientError, Clients, DynamoDBClient, error_code, explaining, unquoted
from keyshift.aws.lean.body import EncodedItem, encode
from keyshift.aws.retry import retried
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

COMPRESSION: Final = "GZIP"
COMPLETED: Final = "COMPLETED"
_IN_PROGRESS: Final = "IN_PROGRESS"
_GOING_ON: Final = frozenset({_IN_PROGRESS, "CANCELLING"})
_IN_USE: Final = "ResourceInUseException"
_LOOKING: Final = "looking for an import"
_PAGE: Final = 25  # ListImports gives no more at once


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files lie: all objects of the bucket whose keys begin so, and nothing else does."""

    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Described:
    """What AWS tells of an import. `code` and `message` say why it failed; `log_group` has an entry for each error."""

    arn: str
    token: str
    status: str
    processed: int
    imported: int
    errors: int
    code: str
    message: str
    log_group: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in _GOING_ON


@dataclass(frozen=True, slots=True)
class ItemError:
    """One item that was refused: the file, its place in that, from 0 on, and why, without what the item holds."""

    object: str
    index: int
    reasons: tuple[str, ...]


def item_line(item: Item | EncodedItem) -> bytes:
    """An item as a line of a file that is imported (DynamoDB JSON)."""
    return encode({"Item": item}) + b"\n"


def start_import(client: DynamoDBClient, target: Target, source: Source, token: str, stop: Stop) -> Described | None:
    """Ask for an import into a new table; None where a table of that name is there. Safe to repeat with one token.

    The target has no local index, which an import cannot make. Raises ClientError, RetriesExhausted, Stopped.
    """
    request: Any = {
        "ClientToken": token,
        "S3BucketSource": {"S3Bucket": source.bucket, "S3KeyPrefix": source.prefix},
        "InputFormat": "DYNAMODB_JSON",
        "InputCompressionType": COMPRESSION,
        "TableCreationParameters": table_shape.request(target),
    }
    doing = f"starting the import into table {target.name}"
    with explaining(doing):
        try:
            answer = retried(lambda: client.import_table(**request), Backoff(), stop, doing)
        except ClientError as error:
            if error_code(error) == _IN_USE:
                return None
            raise
    return _described(answer["ImportTableDescription"])


def find_import(client: DynamoDBClient, table_arn: str, source: Source, token: str, stop: Stop) -> Described | None:
    """The import into a table that was asked for with this token; None where there is none, or not listed yet."""
    for summary in _summaries(client, table_arn, stop):
        if summary.get("S3BucketSource", {}).get("S3KeyPrefix") == source.prefix:
            found = describe_import(client, summary["ImportArn"], stop)
            if found.token == token:
                return found
    return None


def describe_import(client: DynamoDBClient, arn: str, stop: Stop) -> Described:
    """How far an import is. Raises KeyshiftError, Stopped."""
    doing = f"asking for import {arn}"
    with explaining(doing):
        answer = retried(lambda: client.describe_import(ImportArn=arn), Backoff(), stop, doing)
    return _described(answer["ImportTableDescription"])


def read_errors(clients: Clients, described: Described, count: int) -> list[ItemError]:
    """The first errors of an import, from its log; none where that cannot be read, or has none."""
    group = described.log_group.partition(":log-group:")[2].removesuffix(":*")
    stream = f"{described.arn.rpartition('/')[2]}/error"
    try:
        answer = clients.logs.get_log_events(logGroupName=group, logStreamName=stream, limit=count, startFromHead=True)
    except (ClientError, BotoCoreError):
        return []
    return [found for event in answer.get("events", ()) if (found := _item_error(str(event.get("message", ""))))]


def _item_error(message: str) -> ItemError | None:
    try:
        entry = json.loads(message)
        pointer = entry["itemS3Pointer"]
        reasons = tuple(unquoted(str(one)) for one in entry["errorMessages"])
        return ItemError(str(pointer["key"]), int(pointer["itemIndex"]), reasons)
    except (ValueError, KeyError, TypeError):
        return None


def _summaries(client: DynamoDBClient, table_arn: str, stop: Stop) -> Iterator[Any]:
    request: Any = {"TableArn": table_arn, "PageSize": _PAGE}
    while True:
        with explaining(_LOOKING):
            page = retried(partial(client.list_imports, **request), Backoff(), stop, _LOOKING)
        yield from page.get("ImportSummaryList", ())
        if not page.get("NextToken"):
            return
        request = {**request, "NextToken": page["NextToken"]}


def _described(description: Any) -> Described:  # noqa: ANN401 - botocore's answers
    return Described(
        arn=description["ImportArn"],
        token=description.get("ClientToken", ""),
        status=description["ImportStatus"],
        processed=description.get("ProcessedItemCount", 0),
        imported=description.get("ImportedItemCount", 0),
        errors=description.get("ErrorCount", 0),
        code=description.get("FailureCode", ""),
        message=description.get("FailureMessage", ""),
        log_group=description.get("CloudWatchLogGroupArn", ""),
    )
