"""DynamoDB's import from S3 as AWS's documents tell of it, before an endpoint that has none, or is less strict.

Sources: API reference (ImportTable, DescribeImport, ListImports), developer guide ("DynamoDB data import from Amazon
S3: how it works", "Import format quotas and validation"). It is a rule of a FaultProxy, and does what the embedded
endpoint does not: a request that comes again with its token is answered as the first was, parameters that a new table
of an import cannot have are refused, and while an import runs nobody uses its table.
"""

import gzip
import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from tests.servers.aws import client
from tests.servers.fault_proxy import Rule
from tests.servers.faults import Answer, Call

if TYPE_CHECKING:
    from collections.abc import Callable

_MODEL = botocore.session.get_session().get_service_model("dynamodb")
_OPERATIONS = ("ImportTable", "DescribeImport", "ListImports", "GetLogEvents")
_OF_TABLES = ("DescribeTable", "DeleteTable", "Scan", "GetItem", "BatchGetItem", "PutItem", "UpdateItem")
_BATCH = 25


@dataclass
class _Import:
    request: dict[str, Any]
    description: dict[str, Any]
    looks: int
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return bool(self.description["ImportStatus"] == "IN_PROGRESS")


class ImportService:
    """Imports into tables of the endpoints. `looks`: an import has ended at that look (DescribeImport).

    `lose`: how many of the next answers to ImportTable are lost. `forgetful`: it knows no tokens, as after eight hours.
    `unlisted`: so many ListImports do not know an import yet. `fails`: failure codes that the next imports end with,
    before any item is read. `before` happens before a file is read.
    """

    def __init__(self, dynamodb: str, s3: str) -> None:
        self._dynamodb, self._s3 = client("dynamodb", dynamodb), client("s3", s3)
        self._imports: dict[str, _Import] = {}
        self._lock = threading.RLock()
        self.looks, self.lose, self.unlisted = 1, 0, 0
        self.forgetful = False
        self.fails: list[str] = []
        self.before: Callable[[str], None] = lambda _key: None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What a FaultProxy needs to be this service."""
        return (Rule(self._answer, _OPERATIONS), Rule(self._table, _OF_TABLES))

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that began an import."""
        return [one.request for one in self._imports.values()]

    def hurry(self) -> None:
        """Let every import end at the next look."""
        for one in self._imports.values():
            one.looks = 1

    def _answer(self, call: Call) -> Answer | None:
        with self._lock:
            request = json.loads(call.body)
            try:
                answer = getattr(self, f"_{call.operation}")(request)
            except ClientError as error:
                told = error.response["Error"]
                return _answer(400, {"__type": told["Code"], "message": told["Message"]})
            if call.operation == "ImportTable" and self.lose:
                self.lose -= 1
                return None
            return _answer(200, answer)

    def _table(self, call: Call) -> Answer:
        """A call that names a table: one that is being imported into is not there yet, but for DescribeTable."""
        with self._lock:
            running = {
                one.request["TableCreationParameters"]["TableName"] for one in self._imports.values() if one.runs
            }
        request = json.loads(call.body)
        if not running & {request.get("TableName"), *request.get("RequestItems", ())}:
            return call.forward(call.body)
        if call.operation == "DescribeTable":
            answer = json.loads(call.forward(call.body).body)
            answer["Table"]["TableStatus"] = "CREATING"
            return _answer(200, answer)
        code = "ResourceInUseException" if call.operation == "DeleteTable" else "ResourceNotFoundException"
        return _answer(400, {"__type": code, "message": "the table is being imported into"})

    def _ImportTable(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - AWS's name, as the others
        report = ParamValidator().validate(request, _MODEL.operation_model("ImportTable").input_shape)
        if report.has_errors():
            raise _error("ValidationException", report.generate_report())
        for one in () if self.forgetful else self._imports.values():
            if one.request["ClientToken"] == request["ClientToken"]:
                if one.request != request:
                    raise _error("ImportConflictException", "the token was used for another import")
                return {"ImportTableDescription": one.description}
        made = self._dynamodb.create_table(**request["TableCreationParameters"])["TableDescription"]
        arn = f"{made['TableArn']}/import/{secrets.token_hex(8)}"
        description = {
            "ImportArn": arn,
            "ImportStatus": "IN_PROGRESS",
            "TableArn": made["TableArn"],
            "ClientToken": request["ClientToken"],
            "S3BucketSource": request["S3BucketSource"],
            "CloudWatchLogGroupArn": "arn:aws:logs:us-east-1:111122223333:log-group:/aws-dynamodb/imports:*",
            "ProcessedItemCount": 0,
            "ImportedItemCount": 0,
            "ErrorCount": 0,
        }
        self._imports[arn] = _Import(request, description, self.looks)
        return {"ImportTableDescription": dict(description)}

    def _DescribeImport(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = self._imports.get(request["ImportArn"])
        if found is None:
            raise _error("ImportNotFoundException", "no such import")
        found.looks -= 1
        if found.runs and found.looks <= 0:
            self._run(found)
        return {"ImportTableDescription": found.description}

    def _ListImports(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.unlisted:
            self.unlisted -= 1
            return {"ImportSummaryList": []}
        names = ("ImportArn", "ImportStatus", "TableArn", "S3BucketSource")
        found = [one.description for one in self._imports.values()]
        of_table = [one for one in found if one["TableArn"] == request["TableArn"]]
        return {"ImportSummaryList": [{name: one[name] for name in names} for one in of_table]}

    def _GetLogEvents(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        stream = request["logStreamName"]
        log = next(one.log for arn, one in self._imports.items() if stream == f"{arn.rpartition('/')[2]}/error")
        return {"events": [{"message": json.dumps(entry)} for entry in log[: request["limit"]]]}

    def _run(self, one: _Import) -> None:
        """Read the files and put their items: what an import has done when it ends."""
        if self.fails:
            self._end(one, self.fails.pop(0))
            return
        bucket, prefix = (one.request["S3BucketSource"][name] for name in ("S3Bucket", "S3KeyPrefix"))
        keys = [found["Key"] for found in self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]
        if not keys:
            self._dynamodb.delete_table(TableName=one.request["TableCreationParameters"]["TableName"])
            self._end(one, "S3NoSuchKey")
            return
        for key in keys:
            self.before(key)
            data = gzip.decompress(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            self._put(one, key, [json.loads(line)["Item"] for line in data.splitlines()])
        self._end(one, "ItemValidationError" if one.description["ErrorCount"] else "")

    def _put(self, one: _Import, key: str, items: list[Any]) -> None:
        table = one.request["TableCreationParameters"]["TableName"]
        for begin in range(0, len(items), _BATCH):
            batch = items[begin : begin + _BATCH]
            one.description["ProcessedItemCount"] += len(batch)
            try:
                self._raw("BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": i}} for i in batch]}})
                one.description["ImportedItemCount"] += len(batch)
            except ClientError:
                for place, item in enumerate(batch, start=begin):
                    self._put_one(one, key, place, item)

    def _put_one(self, one: _Import, key: str, place: int, item: Any) -> None:
        try:
            self._raw("PutItem", {"TableName": one.request["TableCreationParameters"]["TableName"], "Item": item})
            one.description["ImportedItemCount"] += 1
        except ClientError as error:
            one.description["ErrorCount"] += 1
            pointer = {"bucket": one.request["S3BucketSource"]["S3Bucket"], "key": key, "itemIndex": place}
            one.log.append({"itemS3Pointer": pointer, "errorMessages": [error.response["Error"]["Message"]]})

    def _raw(self, operation: str, request: dict[str, Any]) -> None:
        """A call with values as they stand in the file: binary ones are base64 already."""

        def as_it_is(params: dict[str, Any], **_: Any) -> None:
            params["body"] = json.dumps(request).encode()

        name = {"BatchWriteItem": "batch_write_item", "PutItem": "put_item"}[operation]
        events = self._dynamodb.meta.events
        events.register(f"before-call.dynamodb.{operation}", as_it_is)
        try:
            getattr(self._dynamodb, name)(**_EMPTY[operation])
        finally:
            events.unregister(f"before-call.dynamodb.{operation}", as_it_is)

    @staticmethod
    def _end(one: _Import, code: str) -> None:
        one.description["ImportStatus"] = "FAILED" if code else "COMPLETED"
        if code:
            one.description |= {"FailureCode": code, "FailureMessage": "Some of it failed. Please check the logs."}


_EMPTY: dict[str, dict[str, Any]] = {
    "BatchWriteItem": {"RequestItems": {"x": [{"PutRequest": {"Item": {}}}]}},
    "PutItem": {"TableName": "x", "Item": {}},
}


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "ImportTable")


def _answer(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/x-amz-json-1.0"})
