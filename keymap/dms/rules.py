"""The rules of a DMS table mapping: what each type of rule may say, and what it must."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from keymap.mistakes import one_value

NAME_LENGTH_MAX = 255  # characters: MySQL's names have 64 at most, DynamoDB's key and table names 255


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name has characters that cannot be printed")
    return name


Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH_MAX), AfterValidator(_printable)]
Text = Annotated[str | int | float | bool, BeforeValidator(one_value)]


class _Dms(BaseModel):
    """A part of the file. Fields are named as in DMS, with hyphens; those that are not known are kept, and remarked."""

    model_config = ConfigDict(
        extra="allow", frozen=True, strict=True, alias_generator=lambda name: name.replace("_", "-")
    )


class Locator(_Dms):
    """The objects that a rule is about; `%`, `_` and `[…]` are wildcards."""

    schema_name: Name
    table_name: Name = "%"
    column_name: Name | None = None


class TableLocator(Locator):
    """A locator that must name tables."""

    table_name: Name
    table_type: Literal["table", "view", "all"] = "table"


class Condition(_Dms):
    """One condition of a filter; the conditions of one filter are alternatives."""

    filter_operator: Literal["eq", "noteq", "null", "notnull", "gte", "lte", "ste", "between", "notbetween"]
    value: Text | None = None
    start_value: Text | None = None
    end_value: Text | None = None

    @model_validator(mode="after")
    def _has_its_values(self) -> "Condition":
        if self.filter_operator in {"eq", "noteq", "gte", "lte", "ste"} and self.value is None:
            raise ValueError(f"filter-operator {self.filter_operator} needs value")
        if "between" in self.filter_operator and (self.start_value is None or self.end_value is None):
            raise ValueError(f"filter-operator {self.filter_operator} needs start-value and end-value")
        return self


class Filter(_Dms):
    """Conditions on a column; the filters of a rule must all hold."""

    filter_type: Literal["source"] = "source"
    column_name: Name
    filter_conditions: list[Condition] = Field(min_length=1)


class Rule(_Dms):
    """What all rules have."""

    rule_id: Text
    rule_name: Text = ""

    @property
    def label(self) -> str:
        """How remarks and problems name the rule."""
        return f"rule {self.rule_id} ({self.rule_name})" if self.rule_name else f"rule {self.rule_id}"


class Selection(Rule):
    """Which tables are migrated, and which of their rows."""

    rule_type: Literal["selection"]
    rule_action: Literal["include", "exclude", "explicit"]
    object_locator: TableLocator
    filters: list[Filter] = Field(default_factory=list)
    load_order: Text | None = None


class DataType(_Dms):
    """A DMS data type. How long or precise it is says nothing in DynamoDB."""

    type: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None


class PrimaryKey(_Dms):
    """The primary key that `define-primary-key` gives a table."""

    columns: list[Name] = Field(min_length=1)
    name: str | None = None
    origin: str | None = None


_NAMING = ("rename", "add-prefix", "remove-prefix", "replace-prefix", "add-suffix", "remove-suffix", "replace-suffix")


class Transformation(Rule):
    """What is different at the target: names, columns, types."""

    rule_type: Literal["transformation"]
    rule_action: Literal[
        "rename", "convert-lowercase", "convert-uppercase",
        "add-prefix", "remove-prefix", "replace-prefix", "add-suffix", "remove-suffix", "replace-suffix",
        "add-column", "remove-column", "include-column", "change-data-type", "define-primary-key",
        "add-before-image-columns", "data-masking-digits-mask", "data-masking-digits-randomize",
        "data-masking-hash-mask",
    ]  # fmt: skip
    rule_target: Literal["schema", "table", "column", "table-tablespace", "index-tablespace"]
    object_locator: Locator
    value: Name | None = None
    old_value: Name | None = None
    expression: str | None = None
    data_type: DataType | None = None
    primary_key_def: PrimaryKey | None = None
    before_image_def: JsonValue = None

    @model_validator(mode="after")
    def _has_its_fields(self) -> "Transformation":
        needs = {
            "value": self.rule_action in {*_NAMING, "add-column"} and self.value is None,
            "old-value": self.rule_action.startswith("replace-") and self.old_value is None,
            "data-type": self.rule_action == "change-data-type" and self.data_type is None,
            "primary-key-def": self.rule_action == "define-primary-key" and self.primary_key_def is None,
        }
        if any(needs.values()):
            missing = " and ".join(field for field, is_missing in needs.items() if is_missing)
            raise ValueError(f"rule-action {self.rule_action} needs {missing}")
        return self


class AttributeMapping(_Dms):
    """An attribute of the item: a template, or a document of templates in DynamoDB's JSON."""

    target_attribute_name: Name
    attribute_type: Literal["scalar", "document"] = "scalar"
    attribute_sub_type: str = "string"
    value: JsonValue

    @model_validator(mode="after")
    def _scalar_is_text(self) -> "AttributeMapping":
        if self.attribute_type == "scalar" and not isinstance(self.value, str | int | float):
            raise ValueError("attribute-type scalar needs a text as value")
        return self


class MappingParameters(_Dms):
    """What becomes of a table's columns."""

    partition_key_name: Name | None = None
    sort_key_name: Name | None = None
    exclude_columns: list[Name] = Field(default_factory=list)
    attribute_mappings: list[AttributeMapping] = Field(default_factory=list)
    condition_expression: JsonValue = None

    @model_validator(mode="after")
    def _keys_differ(self) -> "MappingParameters":
        if self.sort_key_name is not None and self.sort_key_name == self.partition_key_name:
            raise ValueError("partition-key-name and sort-key-name are the same")
        return self


class ObjectMapping(Rule):
    """How a row becomes an item of a DynamoDB table."""

    rule_type: Literal["object-mapping"]
    rule_action: Literal["map-record-to-record", "map-record-to-document"]
    object_locator: TableLocator
    target_table_name: Name | None = None
    mapping_parameters: MappingParameters = Field(default_factory=lambda: MappingParameters.model_validate({}))


class Settings(Rule):
    """Rules about how DMS works or checks, not about what comes out."""

    rule_type: Literal["table-settings", "post-processing", "validation"]


AnyRule = Selection | Transformation | ObjectMapping | Settings
