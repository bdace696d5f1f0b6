"""The settings of one migration: `keyshift.yaml`, overridden by the environment.

A setting `source.host` is overridden by the variable `KEYSHIFT_SOURCE__HOST`. Every limit has its unit in its name and
the reason for its default in its description; docs/settings.md shows them all, and a test keeps it equal to this file.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from keymap.errors import Problems
from keyshift.process.accept import AcceptSettings
from keyshift.process.capacity import CapacitySection
from keyshift.process.sections import (
    Amount,
    AwsSettings,
    BucketSettings,
    EndpointSettings,
    FilePath,
    Section,
    StreamSettings,
    ThrottleSettings,
    Whole,
)
from keyshift.process.settings_file import read_document, validate
from keyshift.process.source import SourceSettings, TlsSettings

__all__ = [
    "AcceptSettings",
    "ApplySettings",
    "AwsSettings",
    "BucketSettings",
    "BulkloadSettings",
    "CapacitySection",
    "CaptureSettings",
    "EndpointSettings",
    "MetricsSettings",
    "Settings",
    "SourceSettings",
    "StreamSettings",
    "ThrottleSettings",
    "TlsSettings",
    "VerifySettings",
    "load_settings",
]

_MIGRATION = re.compile(r"^[a-z][a-z0-9-]{0,40}\Z")
MEBIBYTE = 1024 * 1024


class CaptureSettings(Section):
    """The CDC daemon."""

    server_id: Whole | None = Field(
        default=None,
        ge=1,
        le=2**32 - 1,
        description="replica id towards the source, unique there; default: from the migration",
    )
    row_metadata: Literal["full", "schema"] = Field(
        default="full",
        description="full: the binlog describes its rows; schema: it cannot (a server that lets nobody set FULL)",
    )
    lease_seconds: Amount = Field(
        default=10.0,
        ge=1,
        description="seconds without renewal before a standby takes over: ten heartbeats may fail first",
    )
    heartbeat_seconds: Amount = Field(
        default=0.5,
        gt=0,
        description="seconds between heartbeats of an idle source: bounds how late a stop or lag is noticed",
    )
    log_interval_seconds: Amount = Field(default=10.0, gt=0, description="seconds between two status lines in the log")
    buffer_bytes_max: Whole = Field(
        default=64 * MEBIBYTE,
        ge=MEBIBYTE,
        description="bytes read ahead of Kinesis, one change up to a quarter: keeps it busy, the daemon under 256 MiB",
    )
    transaction_memory_bytes_max: Whole = Field(
        default=16 * MEBIBYTE,
        ge=0,
        description="bytes of one open transaction in memory; what is beyond goes to spill_dir",
    )
    retry_seconds_max: Amount = Field(
        default=30.0,
        gt=0,
        description="longest pause between tries to reach source or stream: soon back after an outage",
    )
    spill_dir: FilePath | None = Field(default=None, description="folder for large transactions; default: the system's")


class BulkloadSettings(Section):
    """Dump and load."""

    engine: Literal["local", "spark", "import"] = Field(
        default="local",
        description="how new tables get their rows: from this machine, from a Spark cluster, or by DynamoDB's import",
    )
    chunk_rows: Whole = Field(
        default=10_000,
        ge=1,
        description="rows read by one SELECT at most: a chunk is a file, and what is lost when a process is killed",
    )
    chunk_seconds: Amount = Field(
        default=0.5,
        gt=0,
        description="seconds that reading a chunk should take, and chunks shrink to: the source's history stays short",
    )
    dump_concurrency: Whole = Field(
        default=4,
        ge=1,
        le=64,
        description="connections that read at once, of one large table or of several tables",
    )
    folder: FilePath | None = Field(
        default=None,
        description="folder that the dump goes to, and that the load reads, which so needs it too; default: the bucket",
    )
    load_processes: Whole | None = Field(
        default=None,
        ge=1,
        le=256,
        description="processes that map and write, each on one core; default: the cores that the load may use",
    )
    load_concurrency: Whole = Field(
        default=16,
        ge=1,
        le=256,
        description="BatchWriteItem calls in flight in each process: hides the round trip",
    )
    rejects_max: Whole = Field(
        default=100,
        ge=0,
        description="rows of a table that cannot become items and go to a rejects file; with one more the load stops",
    )
    write_units_per_second_max: Whole = Field(
        default=0,
        ge=0,
        description="write units a second that the load spends on each table, and on each global index; 0: no limit",
    )
    write_percent_max: Amount = Field(
        default=0.0,
        ge=0,
        le=100,
        description="the same in percent of what each takes: provisioned, or warm if on demand; 0: no limit",
    )
    lease_seconds: Amount = Field(
        default=10.0, ge=1, description="seconds without renewal before another loader may take over"
    )
    signature_validity_seconds: Amount = Field(
        default=300.0,
        ge=0,
        description="seconds for which AWS may still accept a signed request: waited out after a lease was taken over",
    )
    throttle: ThrottleSettings = Field(default_factory=ThrottleSettings)


class ApplySettings(Section):
    """Replay of the stream into DynamoDB."""

    write_concurrency: Whole = Field(
        default=16,
        ge=1,
        le=256,
        description="guarded writes in flight per batch; `keyshift apply run` has up to four batches at hand",
    )
    batch_records: Whole = Field(
        default=500,
        ge=1,
        le=10_000,
        description="records taken at a time: enough to fold changes of one item, soon written",
    )
    poll_seconds: Amount = Field(
        default=0.2,
        ge=0.2,
        description="seconds between reads of one shard: Kinesis allows five reads per second and shard",
    )
    set_aside_max: Whole = Field(
        default=100,
        ge=0,
        description="changes that cannot be applied and are set aside at a time; before one more, its lane stops",
    )
    request_life_seconds: Amount = Field(
        default=30.0,
        gt=0,
        description="seconds after which a write that was sent can no longer arrive: waited out at the switch",
    )
    tidy_hours: Amount = Field(
        default=24.0,
        ge=0,
        description="hours between two passes of `keyshift apply run` that take tombstones away, 0 for none",
    )


class VerifySettings(Section):
    """The comparison of both sides."""

    recheck_rounds: Whole = Field(
        default=5,
        ge=0,
        description="times a difference is looked at again before it counts: changes in flight settle meanwhile",
    )


class MetricsSettings(Section):
    """What the processes that run for long show of themselves."""

    port: Whole | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="TCP port of /metrics and /healthz, one for each process on a host; default: none, nothing listens",
    )
    host: str = Field(default="127.0.0.1", description="address that it listens on; 0.0.0.0 in a container")
    emf: bool = Field(
        default=False, description="write them to the log once a minute too, as CloudWatch reads them (then JSON lines)"
    )


class Settings(Section):
    """Everything that one migration needs to know."""

    migration: str = Field(description="name of the migration: a letter, then up to 40 letters, digits or hyphens")
    keymap: FilePath = Field(description="the keymap file; relative paths are relative to the settings file")
    lanes: Whole = Field(
        default=64,
        ge=1,
        le=4096,
        description="fixed number of lanes: at least shards times parallelization factor (here up to 6 shards of 10)",
    )
    control_table: str = Field(
        default="keyshift-control",
        pattern=r"^[a-zA-Z0-9_.-]{3,255}$",
        description="the DynamoDB table that remembers; several migrations may share it",
    )
    source: SourceSettings
    aws: AwsSettings = Field(default_factory=AwsSettings)
    stream: StreamSettings = Field(default_factory=StreamSettings)
    bucket: BucketSettings
    capture: CaptureSettings = Field(default_factory=CaptureSettings)
    bulkload: BulkloadSettings = Field(default_factory=BulkloadSettings)
    apply: ApplySettings = Field(default_factory=ApplySettings)
    verify: VerifySettings = Field(default_factory=VerifySettings)
    accept: AcceptSettings = Field(default_factory=AcceptSettings)
    capacity: dict[str, CapacitySection] = Field(
        default_factory=dict,
        description="by target table: what `keyshift init` makes it able to take, in place of the keymap's billing",
    )
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)

    @field_validator("migration")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not _MIGRATION.match(value):
            raise ValueError("a lower-case letter, then up to 40 lower-case letters, digits and hyphens are expected")
        return value

    @model_validator(mode="after")
    def _name_stream(self) -> Self:
        if not self.stream.name:
            self.__dict__["stream"] = self.stream.model_copy(update={"name": f"keyshift-{self.migration}"})
        return self

    def without_password(self) -> Self:
        """The same, for a process that does not connect to the source."""
        return self.model_copy(update={"source": self.source.without_password()})


def load_settings(path: str | Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file at `path`, overridden by `environment` (default: the process's).

    Raises Problems with every mistake at once, each with the line or the variable it stands in.
    """
    document = read_document(Path(path), os.environ if environment is None else environment, Settings)
    context: dict[str, Any] = {"folder": Path(path).absolute().parent, "place": document.place}
    settings, problems = validate(Settings, document, context)
    if settings is None or problems:
        raise Problems(problems)
    return settings
