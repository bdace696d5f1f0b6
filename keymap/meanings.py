"""What each field of a keymap is for, and which chapter of docs/keymap.md tells more: for editors, and for mistakes."""

from typing import Final

from pydantic import BaseModel

from keymap.mistakes import Location, Manual

_PROJECTION: Final = "What the index holds: all attributes, keys only, or the keys and the attributes of these names."
_CAPACITY: Final = "Provisioned units of the {}, for `billing: provisioned` only."

# Of each model what its fields are for, by the name that the file uses.
MEANINGS: Final[dict[str, dict[str, str]]] = {
    "KeymapDocument": {
        "keyshift": "The language's version.",
        "bookkeeping_prefix": "How the names of bookkeeping attributes begin, which items carry meanwhile.",
        "targets": "The DynamoDB tables, by name. `keyshift init` creates those that are missing.",
        "tables": "The captured source tables, each as database.table with a list of rules: what becomes of a row.",
    },
    "TargetDocument": {
        "partition_key": "The partition key: one attribute's name and its type (S text, N number, B bytes).",
        "sort_key": "The sort key, where the table has one: one attribute's name and its type.",
        "billing": "How the table is billed when it is created.",
        "read_capacity": _CAPACITY.format("table"),
        "write_capacity": _CAPACITY.format("table"),
        "indexes": "Global secondary indexes by name, created with the table.",
        "local_indexes": "Local secondary indexes by name, created with the table: 10 GB at most per partition key.",
    },
    "IndexDocument": {
        "partition_key": "The index's partition key: one attribute's name and type. Items without it are not in it.",
        "sort_key": "The index's sort key, where it has one: one attribute's name and its type.",
        "projection": _PROJECTION,
        "read_capacity": _CAPACITY.format("index"),
        "write_capacity": _CAPACITY.format("index"),
    },
    "LocalIndexDocument": {
        "sort_key": "The index's sort key: one attribute's name and type. Items without it are not in it.",
        "projection": _PROJECTION,
    },
    "RuleDocument": {
        "target": "One of `targets`.",
        "key": 'A template for each key attribute of the target, in its order, such as "ORDER#{id:010d}".',
        "hook": "A Python function that the rows go through first.",
        "where": "Conditions by column, all of which must hold. A row that stops meeting them loses its item.",
        "defaults": "Text that stands for NULL in key templates, by column.",
        "include": "The columns that become attributes; all, unless this or `exclude` says otherwise.",
        "exclude": "The columns that do not become attributes.",
        "rename": "Attribute names by column.",
        "constants": "Attributes with a fixed value, by name.",
        "attributes": "Computed attributes by name: a template, one with a type and conditions, or a map of them.",
        "types": "Another DynamoDB type for a column's attribute than its own, by column.",
        "nulls": "What NULL becomes: no attribute (omit), or a NULL attribute (keep).",
        "group": "Many rows share one item, and each owns one attribute of it, or one entry of a map.",
        "owner": "The primary key's columns, where the key does not tell them: rows then pass items to each other.",
    },
    "AttributeDocument": {
        "from": "The template whose value the attribute holds; where it gives NULL there is no attribute.",
        "type": "Another DynamoDB type than the value's own.",
        "map": "Instead of `from`: attributes by name, which the attribute holds as a map (M).",
        "when": "Conditions by column; a row that does not meet them has no such attribute.",
    },
    "GroupDocument": {
        "attribute": 'The template of the attribute\'s name, such as "product{product_id}".',
        "map": "The map attribute whose entries the rows own.",
        "entry": 'The template of the entry\'s name in the map, such as "{line_no:03d}".',
        "value": "The column whose value it holds; without one, a map of the row's attributes.",
    },
    "HookDocument": {
        "call": "The function, as module:function; the module is beside the keymap file, or installed.",
        "columns": "The columns that it adds or changes.",
    },
    "ConditionDocument": {
        "is_null": "true: the column is NULL. false: it is not.",
        "equals": "The column has this value.",
        "not_equals": "The column has another value than this, and is not NULL.",
        "in": "The column has one of these values.",
        "not_in": "The column has none of these values, and is not NULL.",
    },
}

_OF_A_TARGET: Final = {"indexes": "Indexes", "local_indexes": "Indexes"}
_OF_A_RULE: Final = {
    "key": "Templates",
    "defaults": "Templates",
    "where": "Conditions",
    "attributes": "Attributes",
    "types": "Types",
    "hook": "Hooks",
    "group": "Sharing an item",
    "owner": "Owners",
}


# What the regular expressions of the fields want.
PATTERNS: Final = {
    r"^[a-zA-Z0-9_.-]{3,255}$": "a name of 3 to 255 of a-zA-Z0-9_.-",
    r"^[^.\s]+\.[^.\s]+$": "DATABASE.TABLE",
    r"^[^.]{1,255}$": "a name of 1 to 255 characters without a dot",
    r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$": "module:function",
    r"^[A-Za-z_][A-Za-z0-9_]{0,15}$": "a name of 1 to 16 of a-zA-Z0-9_ that begins with no digit",
}


def chapter(location: Location) -> str:
    """The chapter of docs/keymap.md about a place of the file, such as ``("tables", "shop.orders", "0", "key")``."""
    match location:
        case ("targets", _, field, *_):
            return _OF_A_TARGET.get(field, "Targets")
        case ("targets", *_):
            return "Targets"
        case ("tables", _, _, field, *_):
            return _OF_A_RULE.get(field, "Rules")
        case ("tables", *_):
            return "Rules"
        case ("bookkeeping_prefix", *_):
            return "Bookkeeping"
    return "The keymap"


def _meaning(model: type[BaseModel], field: str) -> str:
    text = MEANINGS[model.__name__][field].removesuffix(".")
    return text[:1].lower() + text[1:]


KEYMAP: Final = Manual("field", lambda place: f"See docs/keymap.md, {chapter(place)}", _meaning, PATTERNS)
