"""The section of the settings that says what target tables can take: provisioned units, warm throughput, maxima.

It is not in the keymap, though the keymap may say how a table is billed: capacity is changed while a migration runs,
and the keymap's digest, which every process compares, must not change with it (docs/decisions/0031).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from pydantic import Field, model_validator

from keymap.errors import Problem
from keymap.targets import Target
from keyshift.process.sections import Section, Whole


class UnitsSection(Section):
    """What a table, or one of its global indexes, can take, in units a second."""

    read_units: Whole | None = Field(default=None, ge=1, description="provisioned read units")
    write_units: Whole | None = Field(default=None, ge=1, description="provisioned write units")
    warm_read_units: Whole | None = Field(default=None, ge=1, description="read units that are kept warm; costs once")
    warm_write_units: Whole | None = Field(default=None, ge=1, description="write units that are kept warm; costs once")
    read_units_max: Whole | None = Field(default=None, ge=1, description="the most read units, where it is on demand")
    write_units_max: Whole | None = Field(default=None, ge=1, description="the most write units, where it is on demand")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.read_units is None) != (self.write_units is None):
            raise ValueError("read_units and write_units go together: with both it is provisioned, else on demand")
        if self.read_units is not None and (self.read_units_max is not None or self.write_units_max is not None):
            raise ValueError("read_units_max and write_units_max are of on-demand tables, and this one is provisioned")
        return self

    @property
    def provisioned(self) -> bool:
        """Whether it is provisioned, rather than on demand."""
        return self.write_units is not None


class CapacitySection(UnitsSection):
    """What one target table, and its global indexes by name, can take once `keyshift init` has made it."""

    indexes: dict[str, UnitsSection] = Field(default_factory=dict, description="the same for its global indexes")

    @model_validator(mode="after")
    def _indexes_are_billed_as_the_table(self) -> Self:
        for name, index in self.indexes.items():
            if index.provisioned and not self.provisioned:
                raise ValueError(
                    f"index {name} is provisioned, and the table is on demand: give it read and write units"
                )
            if self.provisioned and (index.read_units_max or index.write_units_max):
                raise ValueError(f"index {name} has a maximum, which is of on-demand tables; this one is provisioned")
        return self


Capacities = Mapping[str, CapacitySection]  # by target table


def capacity_problems(capacities: Capacities, targets: Iterable[Target]) -> list[Problem]:
    """Names in the settings that are none of the keymap's."""
    return list(_unknown(capacities, {target.name: target for target in targets}))


def _unknown(capacities: Capacities, targets: Mapping[str, Target]) -> Iterator[Problem]:
    for name, wanted in capacities.items():
        if name not in targets:
            known = f"Its targets are {', '.join(sorted(targets))}"
            yield Problem(f"capacity.{name}", f"the keymap has no target {name}", known)
            continue
        indexes = [index.name for index in targets[name].indexes if not index.is_local]
        for index in wanted.indexes.keys() - set(indexes):
            remedy = f"They are {', '.join(indexes)}" if indexes else "Take it out"
            what = f"the keymap's target {name} has no global index {index}"
            yield Problem(f"capacity.{name}.indexes.{index}", what, remedy)
