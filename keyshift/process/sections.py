"""The sections of the settings that say where things are: the source, AWS, the stream, the bucket."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from keymap.errors import KeyshiftError


def _in_folder(path: Path, info: ValidationInfo) -> Path:
    """Relative paths are relative to the settings file, so that a command works from any directory."""
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


FilePath = Annotated[Path, AfterValidator(_in_folder)]
Whole = Annotated[int, BeforeValidator(_no_boolean)]  # pydantic alone would take `yes` for 1
Amount = Annotated[float, BeforeValidator(_no_boolean)]


class Section(BaseModel):
    """What all sections share: unknown keys are mistakes, values do not change, errors never show what was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was given
        # `aws:` with nothing below it is a section in which nothing is set.
        return {} if value is None else value


class TlsSettings(Section):
    """How far the connection to the source is trusted."""

    mode: Literal["verify", "required", "off"] = Field(
        default="verify",
        description="verify: TLS with certificate and host name checked; required: TLS unchecked; off: none",
    )
    ca: FilePath | None = Field(
        default=None, description="file with the CA certificates to trust; default: the system's"
    )


_NOT_GIVEN = SecretStr("\0")  # no password holds this byte: MySQL's protocol ends it there


class SourceSettings(Section):
    """The MySQL or MariaDB server that is migrated."""

    host: str = Field(description="host name or address of the MySQL server, the writer of an Aurora cluster")
    port: Whole = Field(default=3306, ge=1, le=65535, description="its TCP port")
    user: str = Field(description="a user with the grants that `keyshift cdc check` asks for")
    password: SecretStr = Field(default=_NOT_GIVEN, description="the password itself; give exactly one of the three")
    password_env: str | None = Field(
        default=None, description="name of the environment variable that holds the password"
    )
    password_file: FilePath | None = Field(
        default=None, validate_default=True, description="file that holds the password (a trailing newline is cut)"
    )
    tls: TlsSettings = Field(default_factory=TlsSettings)
    connect_timeout_seconds: Amount = Field(
        default=10.0, gt=0, description="seconds to wait for a connection: beyond that a host is unreachable, not slow"
    )
    read_timeout_seconds: Amount = Field(
        default=60.0,
        gt=0,
        description="seconds without a byte before a connection counts as lost: half-open TCP never says so",
    )

    # Field validators, because one of the model would only run, and tell, once all else is right.
    @field_validator("password_env")
    @classmethod
    def _variable_is_set(cls, value: str | None) -> str | None:
        _secret(value, None)
        return value

    @field_validator("password_file")
    @classmethod
    def _is_the_only_one(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        one, other = info.data.get("password") != _NOT_GIVEN, info.data.get("password_env", "") is not None
        if one + other + (value is not None) != 1:
            raise ValueError("exactly one of password, password_env and password_file is needed")
        _secret(None, value)
        return value

    @model_validator(mode="after")
    def _read_password(self) -> Self:
        self.__dict__["password"] = self.fresh_password()  # the model is frozen for everybody else
        return self

    def fresh_password(self) -> SecretStr:
        """The password as it is now: the file is read again, so that a rotated secret is picked up at a reconnect.

        Raises KeyshiftError when it cannot be had.
        """
        try:
            return _secret(self.password_env, self.password_file) or self.password
        except ValueError as error:
            raise KeyshiftError(str(error), "Correct it, or the settings below source") from None


def _secret(variable: str | None, path: Path | None) -> SecretStr | None:
    """What the variable or the file holds; ValueErrors are what pydantic collects."""
    if variable is not None:
        if variable not in os.environ:
            raise ValueError(f"the environment variable {variable} is not set")
        return SecretStr(os.environ[variable])
    return None if path is None else SecretStr(_read_line(path))


def _read_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


class EndpointSettings(Section):
    """Where the services are, when not at AWS. botocore's own AWS_ENDPOINT_URL_* variables work too."""

    dynamodb: str | None = Field(default=None, description="URL of a DynamoDB-compatible endpoint; default: AWS")
    kinesis: str | None = Field(default=None, description="URL of a Kinesis-compatible endpoint; default: AWS")
    s3: str | None = Field(default=None, description="URL of an S3-compatible endpoint; default: AWS")
    sts: str | None = Field(default=None, description="URL of an STS endpoint (`keyshift doctor` asks it who we are)")

    @field_validator("dynamodb", "kinesis", "s3", "sts")
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
        pattern=r"^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$",
        description="folder under which everything of ours lies; nothing outside it is touched",
    )
