"""The section of the settings that says where the source is, and the one place where its password comes from.

A password may be rotated while a migration runs, so it is asked for at each connect: a file is read again, AWS is asked
again. AWS is another layer's door: whoever wires the process hands in how to ask it (`fetching`).
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator

from keymap.errors import KeyshiftError
from keyshift.process.sections import Amount, FilePath, Section, Whole


class PasswordUnavailable(KeyshiftError):
    """Whoever keeps the password does not answer now. Trying again later is right."""


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

    section: ClassVar[str] = "source"  # where these settings stand, for whoever is to mend them

    host: str = Field(description="host name or address of the MySQL server, the writer of an Aurora cluster")
    port: Whole = Field(default=3306, ge=1, le=65535, description="its TCP port")
    user: str = Field(description="a user with the grants that `keyshift cdc check` asks for")
    auth: Literal["password", "iam"] = Field(
        default="password",
        description="iam: a token of RDS for each connection in a password's place, which needs source.tls.mode verify",
    )
    password: SecretStr = Field(default=_NOT_GIVEN, description="the password itself; give exactly one of the five")
    password_env: str | None = Field(
        default=None, description="name of the environment variable that holds the password"
    )
    password_file: FilePath | None = Field(
        default=None, description="file that holds the password (a trailing newline is cut)"
    )
    password_secret: str | None = Field(
        default=None,
        pattern=r"^[^#]+(#.+)?$",
        description="secret in AWS Secrets Manager: name or ARN; of a JSON secret with its key, such as shop#password",
    )
    password_parameter: str | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="parameter in the SSM Parameter Store: its name or ARN",
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

    _fetch: "Callable[[SourceSettings], str] | None" = PrivateAttr(default=None)

    # Field validators, because one of the model would only run, and tell, once all else is right.
    @field_validator("password_env")
    @classmethod
    def _variable_is_set(cls, value: str | None) -> str | None:
        _secret(value, None)
        return value

    @field_validator("password_file")
    @classmethod
    def _file_is_readable(cls, value: Path | None) -> Path | None:
        _secret(None, value)
        return value

    @field_validator("password_parameter")  # the last of them
    @classmethod
    def _is_the_only_one(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = sum(info.data.get(name, "") is not None for name in _PLACES) + (value is not None)
        given += info.data.get("password") != _NOT_GIVEN
        if info.data.get("auth") == "iam":
            if given:
                raise ValueError(f"with {cls.section}.auth: iam there is no password, and none may be given")
        elif given != 1:
            raise ValueError(f"exactly one of password, {', '.join(_PLACES)} and password_parameter is needed")
        return value

    @field_validator("tls")
    @classmethod
    def _token_goes_to_the_right_server(cls, value: TlsSettings, info: ValidationInfo) -> TlsSettings:
        if info.data.get("auth") == "iam" and value.mode != "verify":
            what = "sends its token in clear within TLS, so the server must be verified"
            raise ValueError(f"{cls.section}.auth: iam {what}")
        return value

    @model_validator(mode="after")
    def _read_password(self) -> Self:
        if not self.is_remote:
            self.__dict__["password"] = self.fresh_password()  # the model is frozen for everybody else
        return self

    @property
    def is_remote(self) -> bool:
        """Whether AWS gives the password, or what is in its place."""
        return self.auth == "iam" or self.password_secret is not None or self.password_parameter is not None

    def fetching(self, fetch: "Fetch") -> Self:
        """The same settings, which ask AWS for the password through `fetch`."""
        wired = self.model_copy()
        wired._fetch = fetch  # noqa: SLF001 - of our own class
        return wired

    def without_password(self) -> Self:
        """The same place, for a process that does not connect to it: no password, nor a way to ask for it."""
        bare = self.model_copy(update={"password": SecretStr("")})
        bare._fetch = None  # noqa: SLF001 - of our own class
        return bare

    def fresh_password(self) -> SecretStr:
        """The password as it is now, so that a rotated one is picked up at a reconnect; with IAM a new token.

        Raises KeyshiftError when it cannot be had, PasswordUnavailable where it may be had later.
        """
        if self.is_remote:
            if self._fetch is None:
                message = f"nothing here can ask AWS for the password of {self.section}"
                raise KeyshiftError(message, "Give it in another way")
            return SecretStr(self._fetch(self))
        try:
            return _secret(self.password_env, self.password_file) or self.password
        except ValueError as error:
            raise KeyshiftError(str(error), f"Correct it, or the settings below {self.section}") from None


class RowsSettings(SourceSettings):
    """Another server that the dump reads rows from: a replica of the source. What is not given is as for the source."""

    section: ClassVar[str] = "bulkload.source"

    host: str = Field(description="server that the dump reads rows from: a replica of the source, with MySQL's GTIDs")
    user: str = Field(description="a user who may SELECT there, and has REPLICATION CLIENT (docs/permissions.md)")


def as_the_source(source: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given for RowsSettings over what is given for the source; a password of its own replaces any of that."""
    places = {"auth", "password", *_PLACES, "password_parameter"}
    kept = {name: value for name, value in source.items() if name not in places or not places & given.keys()}
    outer, inner = kept.get("tls"), given.get("tls")
    tls = {"tls": {**outer, **inner}} if isinstance(outer, Mapping) and isinstance(inner, Mapping) else {}
    return {**kept, **given, **tls}


Fetch = Callable[[SourceSettings], str]
_PLACES: Final = ("password_env", "password_file", "password_secret")


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
