"""The settings of one migration: `keyshift.yaml`, overridden by the environment.

A setting `source.host` is overridden by the variable `KEYSHIFT_SOURCE__HOST`. Sections that say where things are stand
in source.py and sections.py, those of the work to be done in tasks.py. Every limit has its unit in its name and the
reason for its default in its description; docs/settings.md shows them all, and a test keeps it equal to these files.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from keymap.errors import Problems
from keyshift.process.accept import AcceptSettings
from keyshift.process.capacity import CapacitySection
from keyshift.process.sections import AwsSettings, BucketSettings, FilePath, Section, StreamSettings, Whole
from keyshift.process.settings_file import read_document, validate
from keyshift.process.source import Fetch, RowsSettings, SourceSettings, as_the_source
from keyshift.process.tasks import ApplySettings, BulkloadSettings, CaptureSettings, MetricsSettings, VerifySettings

_MIGRATION = re.compile(r"^[a-z][a-z0-9-]{0,40}\Z")


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

    @model_validator(mode="before")
    @classmethod
    def _rows_from(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was given
        """What `bulkload.source` leaves out is as `source` says, before either is looked at."""
        match value:
            case {"source": dict() as source, "bulkload": {"source": dict() as given} as bulkload}:
                return {**value, "bulkload": {**bulkload, "source": as_the_source(source, given)}}
        return value

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

    @property
    def rows(self) -> SourceSettings:
        """The server that the dump reads rows from."""
        return self.bulkload.source or self.source

    @property
    def rows_elsewhere(self) -> bool:
        """Whether that is another server than the source."""
        return (self.rows.host, self.rows.port) != (self.source.host, self.source.port)

    def fetching(self, fetch: Fetch) -> Self:
        """The same, which ask AWS for passwords through `fetch`."""
        rows = self.bulkload.source and self.bulkload.source.fetching(fetch)
        return self._with(self.source.fetching(fetch), rows)

    def without_password(self) -> Self:
        """The same, for a process that does not connect to the source."""
        rows = self.bulkload.source and self.bulkload.source.without_password()
        return self._with(self.source.without_password(), rows)

    def _with(self, source: SourceSettings, rows: RowsSettings | None) -> Self:
        bulkload = self.bulkload.model_copy(update={"source": rows})
        return self.model_copy(update={"source": source, "bulkload": bulkload})


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
