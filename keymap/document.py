"""The keymap as its author writes it: YAML, validated as a whole, every mistake reported at once with file and line."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from keymap.errors import Problem, Problems
from keymap.meanings import KEYMAP
from keymap.mistakes import location_of, one_value, told
from keymap.template import Template, parse_template
from keymap.yaml_file import Lines, load_yaml

Scalar = Annotated[str | int | float | bool, BeforeValidator(one_value)]
TargetName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{3,255}$")]  # DynamoDB's rule for table names
SourceName = Annotated[str, StringConstraints(pattern=r"^[^.\s]+\.[^.\s]+$")]
IndexName = TargetName  # the same rule
Conversion = Literal["S", "N", "BOOL", "JSON", "L", "B", "SS", "NS", "BS"]
KeyType = Literal["S", "N", "B"]
InnerName = Annotated[str, StringConstraints(min_length=1)]
OneAttribute = Annotated[dict[str, KeyType], Field(min_length=1, max_length=1)]  # {name: type}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _list_to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _projection(value: object) -> object:
    if value not in ("all", "keys") and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise ValueError("a projection is all, keys, or a list of attribute names")
    return _list_to_tuple(value)


Projection = Annotated[Literal["all", "keys"] | tuple[str, ...], BeforeValidator(_projection)]


class LocalIndexDocument(_Model):
    """A local secondary index: the table's partition key with another sort key."""

    sort_key: OneAttribute
    projection: Projection = "all"


class IndexDocument(_Model):
    """A global secondary index. Capacities go with a provisioned table."""

    partition_key: OneAttribute
    sort_key: OneAttribute | None = None
    projection: Projection = "all"
    read_capacity: int | None = Field(default=None, ge=1)
    write_capacity: int | None = Field(default=None, ge=1)


class TargetDocument(_Model):
    """A DynamoDB table: its keys and indexes, and how it is billed when `keyshift init` creates it."""

    partition_key: OneAttribute
    sort_key: OneAttribute | None = None
    billing: Literal["on_demand", "provisioned"] = "on_demand"
    read_capacity: int | None = Field(default=None, ge=1)
    write_capacity: int | None = Field(default=None, ge=1)
    indexes: dict[IndexName, IndexDocument] = Field(default_factory=dict)
    local_indexes: dict[IndexName, LocalIndexDocument] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _capacity_goes_with_billing(self) -> "TargetDocument":
        given = self.read_capacity is not None and self.write_capacity is not None
        if (self.billing == "provisioned") != given:
            raise ValueError("billing: provisioned takes read_capacity and write_capacity, on_demand takes neither")
        return self


class ConditionDocument(_Model):
    """What a column must hold for the row to become an item. All that is given must hold."""

    is_null: bool | None = None
    equals: Scalar | None = None
    not_equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = Field(default=None, alias="in", min_length=1)
    none_of: tuple[Scalar, ...] | None = Field(default=None, alias="not_in", min_length=1)

    _lists = field_validator("one_of", "none_of", mode="before")(_list_to_tuple)

    @model_validator(mode="after")
    def _says_something(self) -> "ConditionDocument":
        if all(
            value is None for value in self.__dict__.values()
        ):  # `equals: null` would be read as IS NULL, and is not
            raise ValueError("a condition needs is_null, equals, not_equals, in or not_in")
        return self


class AttributeDocument(_Model):
    """A computed attribute: what the template `from` gives, or a map of attributes, for rows that meet `when`."""

    source: str | None = Field(default=None, alias="from")
    type: Conversion | None = None
    map: dict[InnerName, "AttributeDocument"] | None = None
    when: dict[str, ConditionDocument] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: object) -> object:
        if not isinstance(given, str | Mapping | AttributeDocument):
            raise ValueError("a template, or a map of from, map, type and when is expected")  # noqa: TRY004 - pydantic collects these
        return {"from": given} if isinstance(given, str) else given

    @field_validator("source")
    @classmethod
    def _template_parses(cls, text: str | None) -> str | None:
        if text is not None:
            parse_template(text)
        return text

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "AttributeDocument":
        if (self.source is None) == (self.map is None):
            raise ValueError("an attribute has either from or map")
        if self.map is not None and self.type is not None:
            raise ValueError("a map has no type: it is an M")
        return self


class GroupDocument(_Model):
    """Many rows share an item: each owns an attribute, or an entry of the map `map`, whose name a template renders.

    It holds column `value`, or, where none is named, a map of the row's attributes.
    """

    attribute: str | None = None
    map: Annotated[str, StringConstraints(pattern=r"^[^.]{1,255}$")] | None = None
    entry: str | None = None
    value: str | None = None

    @field_validator("attribute", "entry")
    @classmethod
    def _is_data_dependent(cls, text: str | None) -> str | None:
        if text is not None and not parse_template(text).columns:
            raise ValueError("the name must use a column, or all rows of a group would share it")
        return text

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "GroupDocument":
        given = (self.attribute is not None, self.map is not None, self.entry is not None)
        if given not in {(True, False, False), (False, True, True)}:
            raise ValueError("a group takes attribute, or map and entry")
        return self

    @property
    def name(self) -> str:
        """The template of the name of what a row owns."""
        return self.entry or self.attribute or ""


class HookDocument(_Model):
    """A Python function, ``module:function``, that the rule's rows go through first, and the columns that it makes."""

    call: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")]
    columns: tuple[str, ...] = ()

    _lists = field_validator("columns", mode="before")(_list_to_tuple)


class RuleDocument(_Model):
    """One row of the source table becomes one item of `target`, or one part of an item that rows share."""

    target: TargetName
    key: dict[str, str] = Field(min_length=1, max_length=2)
    hook: HookDocument | None = None
    where: dict[str, ConditionDocument] = Field(default_factory=dict)
    defaults: dict[str, str] = Field(default_factory=dict)
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    rename: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, Scalar] = Field(default_factory=dict)
    attributes: dict[str, AttributeDocument] = Field(default_factory=dict)
    types: dict[str, Conversion] = Field(default_factory=dict)
    nulls: Literal["omit", "keep"] = "omit"
    group: GroupDocument | None = None
    owner: tuple[str, ...] = ()

    _lists = field_validator("include", "exclude", "owner", mode="before")(_list_to_tuple)

    @field_validator("key")
    @classmethod
    def _templates_parse(cls, key: dict[str, str]) -> dict[str, str]:
        for text in key.values():
            parse_template(text)
        return key

    @model_validator(mode="after")
    def _parts_go_together(self) -> "RuleDocument":
        if self.include is not None and self.exclude:
            raise ValueError("give include or exclude, not both")
        names = list(self.rename.values()) + list(self.constants)
        if len(set(names)) != len(names):
            raise ValueError("two of rename and constants give the same attribute")
        whole = (self.include, self.exclude, self.rename, self.constants, self.attributes, self.nulls == "keep")
        if self.group and self.group.value and any(whole):
            raise ValueError(
                "a grouped rule with a value holds that alone: include, exclude, rename, constants, attributes, nulls "
                "do not apply"
            )
        return self

    @property
    def levels_around(self) -> int:
        """How many maps may be around the value of one attribute of a row (keymap.nesting).

        A group's map of attributes, or its map of entries; and where rows pass their slot to each other, what keeps the
        content of those that are not shown: the map of all owners, that of one, and its content.
        """
        inside = int(self.group is not None and self.group.value is None)
        return inside + (3 if self.owner else int(self.group is not None and self.group.map is not None))

    def templates(self) -> dict[str, Template]:
        """The key templates by key attribute."""
        return {name: parse_template(text) for name, text in self.key.items()}


class KeymapDocument(_Model):
    """The whole file."""

    keyshift: Literal[1]  # the language's version
    bookkeeping_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,15}$")] = "_ks"
    targets: dict[TargetName, TargetDocument] = Field(min_length=1)
    tables: dict[SourceName, tuple[RuleDocument, ...]] = Field(min_length=1)

    @field_validator("tables", mode="before")
    @classmethod
    def _lists_to_tuples(cls, tables: object) -> object:
        if not isinstance(tables, Mapping):
            return tables
        return {name: tuple(rules) if isinstance(rules, list) else rules for name, rules in tables.items()}


def validation_problems(error: ValidationError, lines: Lines) -> list[Problem]:
    """What pydantic found, each with its line."""
    details = error.errors(include_url=False)
    return [Problem(lines.where(*location_of(detail)), *told(detail, KeymapDocument, KEYMAP)) for detail in details]


def parse_document(text: str, name: str) -> tuple[KeymapDocument, Lines]:
    """Parse and validate a keymap's text; `name` is the file's, for messages. Raises Problems with all mistakes."""
    raw, lines = load_yaml(text, name)
    problems = list(lines.problems)
    try:
        document = KeymapDocument.model_validate(raw)
    except ValidationError as error:
        problems += validation_problems(error, lines)
    Problems.raise_if_any(problems)
    return document, lines
