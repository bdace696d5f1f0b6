"""The sections of the settings that say where things are: AWS, the stream, the bucket; the source has its own file."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

YEAR_SECONDS: Final = 31_536_000


def _in_folder(path: Path, info: ValidationInfo) -> Path:
    """Relative paths are relative to the settings file, so that a command works from any directory."""
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _within_a_year(value: float) -> float:
    """Longer waits, and what is no number, are mistakes that timers and drivers stumble over later."""
    if not value <= YEAR_SECONDS:
        raise ValueError(f"a number up to {YEAR_SECONDS} is expected")
    return value


FilePath = Annotated[Path, AfterValidator(_in_folder)]
Whole = Annotated[int, BeforeValidator(_no_boolean)]  # pydantic alone would take `yes` for 1
Amount = Annotated[float, BeforeValidator(_no_boolean), AfterValidator(_within_a_year)]


class Section(BaseModel):
    """What all sections share: unknown keys are mistakes, values do not change, errors never show what was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was given
        # `aws:` with nothing below it is a section in which nothing is set.
        return {} if value is None else value


class EndpointSettings(Section):
    """Where the services are, when not at AWS. botocore's own AWS_ENDPOINT_URL_* variables work too."""

    dynamodb: str | None = Field(default=None, description="URL of a DynamoDB-compatible endpoint; default: AWS")
    control_table: str | None = Field(
        default=None, description="URL of the control table's own endpoint, where the targets' cannot hold it"
    )
    kinesis: str | None = Field(default=None, description="URL of a Kinesis-compatible endpoint; default: AWS")
    s3: str | None = Field(default=None, description="URL of an S3-compatible endpoint; default: AWS")
    sts: str | None = Field(default=None, description="URL of an STS endpoint (`keyshift doctor` asks it who we are)")
    secretsmanager: str | None = Field(default=None, description="URL of a Secrets Manager endpoint; default: AWS")
    ssm: str | None = Field(default=None, description="URL of an SSM (Parameter Store) endpoint; default: AWS")

    @field_validator("dynamodb", "control_table", "kinesis", "s3", "sts", "secretsmanager", "ssm")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/]", value):
            raise ValueError("a URL is expected, such as http://127.0.0.1:8000")
        return value

    @property
    def urls(self) -> dict[str, str]:
        """The endpoints that were given, by service."""
        return {name: url for name, url in self.model_dump().items() if url is not None}


class AwsSettings(Section):
    """Region and endpoints. Credentials come from botocore's own sources: environment, profile, role."""

    region: str | None = Field(
        default=None, description="AWS region; default: what botocore finds (AWS_DEFAULT_REGION, profile)"
    )
    client: Literal["lean", "boto3"] = Field(
        default="lean",
        description="lean: our own client sends items and records, many times faster; boto3: it does, as all else",
    )
    endpoints: EndpointSettings = Field(default_factory=EndpointSettings)


class StreamSettings(Section):
    """The Kinesis stream that retains the changes."""

    name: str = Field(
        default="", pattern=r"^[a-zA-Z0-9_.-]{0,128}$", description="its name; default: keyshift-MIGRATION"
    )
    shards: Whole = Field(
        default=2, ge=1, le=10_000, description="shards to create it with: 1 MiB/s or 1,000 records/s each"
    )
    on_demand: bool = Field(
        default=False, description="create it in on-demand mode instead; shards does not apply then"
    )
    retention_hours: Whole = Field(
        default=168,
        ge=24,
        le=8760,
        description="hours that changes are kept: must exceed the bulk load plus catching up; a week",
    )


class BucketSettings(Section):
    """The S3 bucket that holds the dump."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="its name, unique in all of S3")
    prefix: str = Field(
        default="keyshift",
        max_length=256,
        pattern=r"^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$",
        description="folder under which everything of ours lies; nothing outside it is touched",
    )


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
        description="statements that run at the source (Threads_running) above which no chunk is read; 0: no limit",
    )
    replica_lag_seconds_max: Whole = Field(
        default=10,
        ge=0,
        description="lag above which no chunk is read, of the replicas and of the source where it is one; 0: no limit",
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
