"""Stream, control table, target tables and bucket in the stack: the shapes in which `keyshift init` would make them.

They outlive the stack (DeletionPolicy): deleting it, or rendering it without one of them, loses no change and no item.
`keyshift init` finds them there, records them as not its own, and `keyshift destroy` leaves them
(docs/decisions/0033).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from keymap.rules import Keymap
from keyshift.aws.own_stream import stream_size
from keyshift.aws.own_table import control_target
from keyshift.aws.table_shape import request
from keyshift.process.settings import Settings

KEEP: Final = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
STREAM, CONTROL, BUCKET = "Stream", "Control", "Bucket"
TABLE, INDEX = "TableName", "GlobalSecondaryIndexName"  # dimensions of DynamoDB's metrics
_KEY: Final = {"Ref": "KmsKeyArn"}
_NONE: Final = {"Ref": "AWS::NoValue"}


def with_key(wanted: Any, otherwise: Any = _NONE) -> dict[str, Any]:  # noqa: ANN401 - any part of a template
    """A part of the template where a key of one's own is given."""
    return {"Fn::If": ["HasKey", wanted, otherwise]}


def stores(settings: Settings, keymap: Keymap) -> dict[str, Any]:
    """The resources, by their logical names."""
    found = {STREAM: _made(_stream(settings)), BUCKET: _made(_bucket(settings))}
    found[CONTROL] = _made(_table(request(control_target(settings.control_table))), condition="MakesControlTable")
    for number, target in enumerate(keymap.targets.values(), 1):
        found[f"Target{number}"] = _made(_table(request(target, settings.capacity.get(target.name))))
    return found


def write_dimensions(keymap: Keymap) -> Iterator[Mapping[str, str]]:
    """What DynamoDB's figures of writes are about: each target table, then each global index.

    A table's figure counts neither the writes nor the throttles of its global indexes. A local one has no figure: its
    writes are the table's.
    """
    targets = keymap.targets.values()
    yield from ({TABLE: target.name} for target in targets)
    for target in targets:
        yield from ({TABLE: target.name, INDEX: index.name} for index in target.indexes if not index.is_local)


def _made(resource: dict[str, Any], *, condition: str = "MakesResources") -> dict[str, Any]:
    return {"Type": resource["Type"], "Condition": condition, **KEEP, "Properties": resource["Properties"]}


def _table(wanted: dict[str, Any]) -> dict[str, Any]:
    key = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": _KEY}
    return {"Type": "AWS::DynamoDB::Table", "Properties": wanted | {"SSESpecification": with_key(key)}}


def _stream(settings: Settings) -> dict[str, Any]:
    stream = settings.stream
    encryption = {"EncryptionType": "KMS", "KeyId": with_key(_KEY, "alias/aws/kinesis")}
    properties = {
        "Name": stream.name,
        **stream_size(stream.shards, on_demand=stream.on_demand),
        "RetentionPeriodHours": stream.retention_hours,
        "StreamEncryption": encryption,
    }
    return {"Type": "AWS::Kinesis::Stream", "Properties": properties}


def _bucket(settings: Settings) -> dict[str, Any]:
    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": _KEY}
    rule = {"ServerSideEncryptionByDefault": with_key(key, {"SSEAlgorithm": "AES256"}), "BucketKeyEnabled": True}
    nobody = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    properties = {
        "BucketName": settings.bucket.name,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]},
        "PublicAccessBlockConfiguration": nobody,
    }
    return {"Type": "AWS::S3::Bucket", "Properties": properties}
