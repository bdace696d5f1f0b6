"""What each part of a migration may do in AWS: the one list behind docs/permissions.md and the stack's roles.

A part is a process, by the command that runs it, or the Lambda function. A grant names kinds of resources; `Place`
knows what they are called, for a page (literal account and region) or for a template (CloudFormation's ${AWS::…}).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyshift.process.settings import Settings
from keyshift.process.source import SourceSettings

FUNCTION: Final = "function"
SOURCE_ID: Final = "DbiResourceId"  # parameters of the stack, where the user logs in by IAM: of the source
ROWS_ID: Final = "RowsDbiResourceId"  # and of another instance that rows are read from


@dataclass(frozen=True, slots=True)
class Place:
    """The names that a policy is for. `tables` are the targets."""

    migration: str
    control_table: str
    stream: str
    bucket: str
    prefix: str
    tables: tuple[str, ...]
    partition: str = "${AWS::Partition}"
    region: str = "${AWS::Region}"
    account: str = "${AWS::AccountId}"

    def arn(self, service: str, rest: str) -> str:
        """The ARN of something in the account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    @property
    def log_group(self) -> str:
        """Where the function's log goes."""
        return f"/keyshift/{self.migration}/apply"

    def arns(self, kind: str) -> list[str]:
        """The resources of a kind."""
        objects = f"arn:{self.partition}:s3:::{self.bucket}"
        tables = [self.arn("dynamodb", f"table/{name}") for name in self.tables]
        return {
            "control": [self.arn("dynamodb", f"table/{self.control_table}")],
            "targets": tables,
            "indexes": [f"{table}/index/*" for table in tables],
            "stream": [self.arn("kinesis", f"stream/{self.stream}")],
            "bucket": [objects],
            "objects": [f"{objects}/{self.prefix}/*"],
            "claims": [f"{objects}/{self.prefix}/{self.migration}.*/claims/*"],  # under the id of a run: name.RUN
            "setaside": [f"{objects}/{self.prefix}/{self.migration}.*/setaside/*"],
            "log": [self.arn("logs", f"log-group:{self.log_group}:*")],
        }[kind]


def place_of(settings: Settings, tables: tuple[str, ...]) -> Place:
    """The names of a migration, for a template."""
    bucket = settings.bucket
    return Place(settings.migration, settings.control_table, settings.stream.name, bucket.name, bucket.prefix, tables)


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions of one service on some kinds of resources. `own_items`: only on the migration's items of the table."""

    service: str
    kinds: str  # with spaces between them
    actions: str  # so too
    own_items: bool = False

    def statement(self, place: Place) -> dict[str, Any]:
        """The statement of a policy."""
        found = [arn for kind in self.kinds.split() for arn in place.arns(kind)]
        keys = [place.migration, f"{place.migration}.*"]  # of the name, or of a run of it
        condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}
        return {
            "Effect": "Allow",
            "Resource": found[0] if len(found) == 1 else found,
            **({"Condition": condition} if self.own_items else {}),
            "Action": [f"{self.service}:{action}" for action in self.actions.split()],
        }


def _control(actions: str) -> Grant:
    return Grant("dynamodb", "control", actions, own_items=True)


_READS_SHARDS: Final = "GetRecords GetShardIterator ListShards"
PARTS: Final[Mapping[str, tuple[Grant, ...]]] = {
    "init": (
        Grant(
            "dynamodb",
            "control targets",
            "BatchWriteItem ConditionCheckItem CreateTable DeleteItem DeleteTable DescribeTable DescribeTimeToLive "
            "GetItem ListTagsOfResource PutItem Query Scan TagResource UpdateItem",
        ),
        Grant(
            "kinesis",
            "stream",
            "AddTagsToStream CreateStream DeleteStream DescribeStreamSummary GetRecords GetShardIterator "
            "IncreaseStreamRetentionPeriod ListShards ListTagsForStream",
        ),
        Grant(
            "s3",
            "bucket",
            "CreateBucket DeleteBucket GetBucketTagging ListBucket ListBucketMultipartUploads ListBucketVersions "
            "PutBucketTagging",
        ),
        Grant("s3", "objects", "AbortMultipartUpload DeleteObject DeleteObjectVersion GetObject PutObject"),
    ),
    "cdc run": (
        _control("ConditionCheckItem GetItem Query UpdateItem"),
        Grant("kinesis", "stream", f"DescribeStreamSummary {_READS_SHARDS} PutRecords"),
        Grant("s3", "claims", "PutObject"),
    ),
    "bulkload dump": (
        _control("ConditionCheckItem GetItem Query UpdateItem"),
        Grant("s3", "objects", "AbortMultipartUpload PutObject"),
    ),
    "bulkload plan": (
        _control("GetItem"),
        Grant("dynamodb", "targets indexes", "DescribeTable UpdateTable"),
        Grant("kinesis", "stream", "DescribeStreamSummary"),
    ),
    "bulkload load": (
        _control("BatchWriteItem ConditionCheckItem GetItem Query UpdateItem"),
        Grant("dynamodb", "targets", "BatchWriteItem DescribeTable PutItem Scan UpdateItem"),
        Grant("s3", "objects", "GetObject PutObject"),
    ),
    "apply run": (
        _control("BatchWriteItem ConditionCheckItem GetItem Query UpdateItem"),
        Grant("dynamodb", "targets", "BatchGetItem DeleteItem PutItem Scan UpdateItem"),
        Grant("kinesis", "stream", _READS_SHARDS),
        Grant("s3", "claims", "GetObject"),
        Grant("s3", "setaside", "DeleteObject GetObject PutObject"),
    ),
    FUNCTION: (
        _control("GetItem Query UpdateItem"),
        Grant("dynamodb", "targets", "BatchGetItem PutItem UpdateItem"),
        # The event source mapping reads the stream as the function's role.
        Grant("kinesis", "stream", f"DescribeStream DescribeStreamSummary {_READS_SHARDS} SubscribeToShard"),
        Grant("s3", "claims", "GetObject"),
        Grant("s3", "setaside", "PutObject"),
        Grant("logs", "log", "CreateLogStream PutLogEvents"),
    ),
    "verify": (
        _control("BatchWriteItem GetItem Query UpdateItem"),
        Grant("dynamodb", "targets", "BatchGetItem Scan"),
    ),
    "cutover": (
        _control("BatchWriteItem ConditionCheckItem GetItem Query UpdateItem"),
        Grant("dynamodb", "targets", "BatchGetItem DeleteItem DescribeTimeToLive PutItem Scan UpdateItem"),
    ),
}
KEY_ACTIONS: Final = ("kms:GenerateDataKey", "kms:Decrypt")  # of a key of one's own, for every part


def statements(part: str, place: Place) -> list[dict[str, Any]]:
    """What the part may do."""
    return [grant.statement(place) for grant in PARTS[part]]


def policy(found: list[Any]) -> dict[str, Any]:
    """Statements as the document of a policy."""
    return {"Version": "2012-10-17", "Statement": found}


def password_statements(source: SourceSettings, place: Place, instance: str = SOURCE_ID) -> Iterator[dict[str, Any]]:
    """What a part needs that reads the source, where AWS keeps the password; `instance` is a parameter of the stack."""
    if source.auth == "iam":
        yield _allow("rds-db:connect", place.arn("rds-db", f"dbuser:${{{instance}}}/{source.user}"))
    if source.password_secret:
        name = source.password_secret.partition("#")[0]  # behind it stands the key of a JSON secret
        # Secrets Manager adds six letters to a name.
        yield _allow("secretsmanager:GetSecretValue", _arn_of(place, "secretsmanager", "secret:", f"{name}-??????"))
    if source.password_parameter:
        name = source.password_parameter
        path = name if name.startswith(("/", "arn:")) else f"/{name}"
        yield _allow("ssm:GetParameter", _arn_of(place, "ssm", "parameter", path))


def _arn_of(place: Place, service: str, kind: str, name: str) -> str:
    """The ARN of a name, or the one that was given in its place."""
    return name.removesuffix("-??????") if name.startswith("arn:") else place.arn(service, f"{kind}{name}")


def _allow(action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Resource": resource, "Action": action}
