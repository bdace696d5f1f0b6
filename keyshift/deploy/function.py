"""The function, its event source mapping and its log.

The mapping's numbers are load-bearing (a test reads them from the rendered template):

- TRIM_HORIZON: LATEST would skip what was captured during the load.
- Retries and record age -1, without limit: Lambda discards records when either runs out, and goes on.
- No destination for failures: it would let the next change of an item pass the one that was put there.
- ReportBatchItemFailures: what is done stays done.
- Bisect: a batch that fails as a whole (timeout, memory) comes back as halves.
"""

from typing import Any, Final

from bulkload.forecast import LAMBDA_MEMORY_BYTES
from keyshift.apply.lifetime import BATCH_SECONDS_MAX
from keyshift.deploy.permissions import Place
from keyshift.deploy.stores import STREAM, with_key
from keyshift.process.settings import Settings
from keyshift.process.tasks import MEBIBYTE

FUNCTION, MAPPING, LOG = "ApplyFunction", "ApplyMapping", "ApplyLog"
PYTHON: Final = "3.13"  # of the runtime; the archive is built for it
FACTOR_MAX: Final = 10  # Lambda's
ON_DEMAND_SHARDS: Final = 4  # what a stream on demand begins with
# Longer than a minute of throttling, so that what is done is reported instead of lost; no batch writes any longer.
TIMEOUT_SECONDS: Final = int(BATCH_SECONDS_MAX)
BATCH_RECORDS: Final = 500
LOG_DAYS: Final = 30


def function_name(settings: Settings) -> str:
    """The function's name."""
    return f"keyshift-{settings.migration}-apply"


def parallelization_factor(lanes: int, shards: int) -> int:
    """Batches of one shard at a time: as many as its share of the lanes can fill, and Lambda allows."""
    return max(1, min(FACTOR_MAX, lanes // shards))


def function(settings: Settings, place: Place) -> dict[str, Any]:
    """The resources, by their logical names."""
    return {
        FUNCTION: {"Type": "AWS::Lambda::Function", "Properties": _function(settings)},
        MAPPING: {"Type": "AWS::Lambda::EventSourceMapping", "Properties": _mapping(settings, place)},
        LOG: {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": place.log_group, "RetentionInDays": LOG_DAYS},
        },
    }


def _function(settings: Settings) -> dict[str, Any]:
    variables = {
        "KEYSHIFT_MIGRATION": settings.migration,
        "KEYSHIFT_CONTROL_TABLE": settings.control_table,
        "KEYSHIFT_WRITE_CONCURRENCY": str(settings.apply.write_concurrency),
        "KEYSHIFT_SET_ASIDE_MAX": str(settings.apply.set_aside_max),
        "KEYSHIFT_AWS__CLIENT": settings.aws.client,
    }
    if url := settings.aws.endpoints.control_table:
        variables["KEYSHIFT_AWS__ENDPOINTS__CONTROL_TABLE"] = url
    return {
        "FunctionName": function_name(settings),
        "Description": f"Keyshift: replay of migration {settings.migration}",
        "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}},
        "Handler": "apply_stream.handle",
        "Runtime": f"python{PYTHON}",
        "Architectures": [{"Ref": "Architecture"}],
        "MemorySize": LAMBDA_MEMORY_BYTES // MEBIBYTE,  # one whole vCPU; a batch of 6 MB is some tens of MB unpacked
        "Timeout": TIMEOUT_SECONDS,
        "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
        "Environment": {"Variables": variables},
        "KmsKeyArn": with_key({"Ref": "KmsKeyArn"}),
        "LoggingConfig": {"LogGroup": {"Ref": LOG}},
    }


def _mapping(settings: Settings, place: Place) -> dict[str, Any]:
    stream = settings.stream
    shards = ON_DEMAND_SHARDS if stream.on_demand else stream.shards
    (arn,) = place.arns("stream")
    return {
        "EventSourceArn": {"Fn::If": ["MakesResources", {"Fn::GetAtt": [STREAM, "Arn"]}, {"Fn::Sub": arn}]},
        "FunctionName": {"Ref": FUNCTION},
        "Enabled": {"Fn::If": ["Replays", True, False]},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": BATCH_RECORDS,
        "ParallelizationFactor": parallelization_factor(settings.lanes, shards),
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
