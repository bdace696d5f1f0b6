"""One rule of the keymap while it is put together: every name is given once, and none is reserved."""

from dataclasses import dataclass, field

from keymap.bookkeeping import Bookkeeping
from keymap.dms.expressions import Expression, number
from keymap.dms.filters import Conditions

_RESERVED = Bookkeeping()

# A DMS type, in lower case, as an attribute's type. What is not here is text, as it is in DMS.
TYPES = {
    "string": "S", "wstring": "S", "clob": "S", "nclob": "S",
    "number": "N", "numeric": "N", "int1": "N", "int2": "N", "int4": "N", "int8": "N", "uint1": "N", "uint2": "N",
    "uint4": "N", "uint8": "N", "real4": "N", "real8": "N",
    "boolean": "BOOL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A key attribute: its name, its type (S or N), and its template."""

    name: str
    type: str
    template: str


@dataclass(slots=True)
class Draft:
    """A rule of a table. `origin` names the DMS rule; `hidden` are columns that must not be stored in the clear."""

    table: str
    origin: str
    target: str
    keys: tuple[KeyPart, ...]
    where: Conditions = field(default_factory=dict)
    exclude: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str | int | float | bool] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def require_free(self, name: str) -> None:
        """Raises ValueError where an attribute of that name cannot be added."""
        if _RESERVED.is_ours(name):
            raise ValueError(f"attribute {name} begins like the bookkeeping attributes: choose another name")
        taken = (*self.rename.values(), *self.constants, *self.attributes, *(part.name for part in self.keys))
        if name in taken:
            raise ValueError(f"attribute {name} is given twice: choose another name for one of them")

    def require_shown(self, expression: Expression) -> None:
        """Raises ValueError where the expression uses a column that must not be stored in the clear."""
        for column in expression.columns:
            if column in self.hidden:
                raise ValueError(f"column {column} is masked by DMS, and would be stored in the clear")

    def rename_column(self, column: str, name: str) -> None:
        """Store a column under another name. Raises ValueError where that cannot be."""
        if column in self.rename:
            raise ValueError(f"column {column} has two new names: choose one")
        if (
            name == column
            or KeyPart(name, "S", f"{{{column}}}") in self.keys
            or KeyPart(name, "N", f"{{{column}}}") in self.keys
        ):
            return  # the key attribute itself holds it
        self.require_free(name)
        self.rename[column] = name

    def add(self, name: str, expression: Expression, kind: str | None) -> None:
        """Add an attribute of a type (None: the value's own). Raises ValueError where the keymap cannot say it."""
        self.require_free(name)
        self.require_shown(expression)
        text = expression.constant
        if text is not None:
            self.constants[name] = _constant(text, kind)
        elif expression.bare in self.exclude and expression.bare not in self.rename:
            self.exclude.remove(expression.bare)
            if name != expression.bare:
                self.rename[expression.bare] = name
            if kind is not None:
                self.types[expression.bare] = kind
        elif name == expression.bare:
            if kind is not None:
                self.types[name] = kind
        elif kind is None or (kind == "S" and not expression.bare):
            self.attributes[name] = expression.template
        else:
            self.attributes[name] = {"from": expression.template, "type": kind}

    def hide(self, column: str) -> None:
        """Leave a column out."""
        self.rename.pop(column, None)
        self.types.pop(column, None)
        if column not in self.exclude:
            self.exclude.append(column)


def _constant(text: str, kind: str | None) -> str | int | float | bool:
    if kind == "N":
        found = number(text)
        if found is None:
            raise ValueError("its value is of type number, and is no decimal number")
        return found
    if kind == "BOOL":
        if text.lower() not in {"true", "false", "1", "0"}:
            raise ValueError("its value is of type boolean, and is neither true nor false")
        return text.lower() in {"true", "1"}
    return text
