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
