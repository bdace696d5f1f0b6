"""Computed attributes: what a template gives, under a name of its own, for the rows that meet a condition.

Where the template gives NULL, or the row does not meet `when`, there is no attribute: that makes an index sparse. A map
holds such attributes, and maps of them; one that comes out empty is there all the same, as an empty map.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keymap.attributes import Attribute
from keymap.conditions import condition_of
from keymap.conversions import as_type
from keymap.document import AttributeDocument, ConditionDocument, RuleDocument
from keymap.nesting import LEVELS_MAX, NotTaken
from keymap.template import PatchError, Template, parse_template
from keymap.values import Canonical, Row

Conditions = tuple[tuple[str, Callable[[Canonical], bool]], ...]  # by column


def conditions_of(documents: Mapping[str, ConditionDocument]) -> Conditions:
    """The conditions of `where` or `when`, compiled."""
    return tuple((column, condition_of(document)) for column, document in documents.items())


def meets(row: Row, conditions: Conditions) -> bool:
    """Whether a row meets all of the conditions."""
    return not conditions or all(holds(row.get(column)) for column, holds in conditions)


@dataclass(frozen=True, slots=True)
class Computed:
    """One computed attribute, compiled. `keeps_null`: NULL becomes a NULL attribute.

    `place` is its name after those of the maps that it is in, as in ``address.city``, for messages; `room` is how many
    lists and maps may be within each other in it.
    """

    name: str
    place: str
    template: Template
    wanted: str | None
    conditions: Conditions
    defaults: dict[str, str]
    keeps_null: bool
    room: int

    @property
    def columns(self) -> set[str]:
        """The columns that the template and the conditions name."""
        return {*self.template.columns, *(column for column, _ in self.conditions)}

    def attribute(self, row: Row) -> Attribute | None:
        """The attribute of a row, None where it has none. Raises PatchError, naming the attribute."""
        if not meets(row, self.conditions):
            return None
        try:
            value = self.template.value(row, self.defaults)
            found = as_type(value, self.wanted, self.room)
        except PatchError as error:
            raise PatchError(f"attribute {self.place}: {error.message}", error.remedy) from None
        except NotTaken as error:
            what = (
                f"attribute {self.place} comes to a JSON document that DynamoDB does not take: {error.told(self.room)}"
            )
            raise PatchError(what, "Give it type S, or leave such rows out with `when`") from None
        except ValueError:
            what = f"attribute {self.place} comes to a value that is no {self.wanted}"
            raise PatchError(what, "Change its type or its template, or leave such rows out with `when`") from None
        return {"NULL": True} if value is None and self.keeps_null else found


@dataclass(frozen=True, slots=True)
class ComputedMap:
    """A map of computed attributes, compiled."""

    name: str
    place: str
    inner: tuple["AnyComputed", ...]
    conditions: Conditions

    @property
    def columns(self) -> set[str]:
        """The columns that the conditions name. What is within names its own."""
        return {column for column, _ in self.conditions}

    def attribute(self, row: Row) -> Attribute | None:
        """The map of a row, None where it has none. Raises PatchError, naming the attribute within."""
        if not meets(row, self.conditions):
            return None
        found = ((one.name, one.attribute(row)) for one in self.inner)
        return {"M": {name: value for name, value in found if value is not None}}


AnyComputed = Computed | ComputedMap


def computed_of(document: RuleDocument) -> tuple[AnyComputed, ...]:
    """The computed attributes of a rule."""
    room = LEVELS_MAX - document.levels_around
    return tuple(_computed(name, name, one, document, room) for name, one in document.attributes.items())


def _computed(name: str, place: str, one: AttributeDocument, rule: RuleDocument, room: int) -> AnyComputed:
    conditions = conditions_of(one.when)
    if one.source is None:
        inner = (_computed(each, f"{place}.{each}", within, rule, room - 1) for each, within in (one.map or {}).items())
        return ComputedMap(name, place, tuple(inner), conditions)
    return Computed(
        name=name,
        place=place,
        template=parse_template(one.source),
        wanted=one.type,
        conditions=conditions,
        defaults=rule.defaults,
        keeps_null=rule.nulls == "keep",
        room=room,
    )
