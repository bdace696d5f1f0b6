"""The sections of the settings that say how each part of a migration does its work, and what it may take for it.

Every limit has its unit in its name, and the reason for its default in its description.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from keyshift.process.sections import Amount, FilePath, Section, Whole
from keyshift.process.source import RowsSettings

MEBIBYTE: Final = 1024 * 1024


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


def _split(value: object) -> object:
    """A variable of the environment holds one text: names with commas between them."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ThrottleSettings(Section):
    """How gentle the dump is to the source. `keyshift bulkload throttle` overrides the limits while it runs."""

    rows_per_second_max: Whole = Field(default=0, ge=0, description="rows read in a second; 0: no limit")
    bytes_per_second_max: Whole = Field(
        default=0, ge=0, description="bytes of rows read in a second, before compression; 0: no limit"
    )
    threads_running_max: Whole = Field(
        default=64,
        ge=0,
        description="statements that run where rows are read (Threads_running), above which no chunk is; 0: no limit",
    )
    replica_lag_seconds_max: Whole = Field(
        default=10,
        ge=0,
        description="lag above which no chunk is read, of the replicas and of the server of the rows; 0: no limit",
    )
    replicas: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(),
        description="replicas whose lag counts: host or host:port, reached with the source's user, password and TLS",
    )

    @field_validator("replicas")
    @classmethod
    def _are_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _PLACE.fullmatch(one):
                raise ValueError("a host is expected, or host:port, an IPv6 address in brackets")
        return value

    def places(self, port: int) -> list[tuple[str, int]]:
        """Host and port of each replica; `port` where it names none."""
        found = [match for one in self.replicas if (match := _PLACE.fullmatch(one))]
        return [(match["host"].strip("[]"), int(match["port"] or port)) for match in found]


_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+)(?::(?P<port>\d{1,5}))?")


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
    source: RowsSettings | None = None


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
