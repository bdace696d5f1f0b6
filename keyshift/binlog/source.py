"""A Python function as it is being written: lines, the globals that they use, and what is to be unpacked next.

What is fixed in width is gathered into one Struct, up to the next value whose length is in the bytes themselves.
"""

import struct
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Source:
    """A function being written: its lines, the globals that they use, and what is to be unpacked next."""

    lines: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    _form: str = "<"
    _targets: list[str] = field(default_factory=list)
    _after: list[str] = field(default_factory=list)

    def skip(self, size: int) -> None:
        """Pass over bytes."""
        self._form += f"{size}x"

    def unpack(self, form: str, *targets: str) -> None:
        """Read variables by the codes of `struct`, the lowest byte first."""
        self._form += form
        self._targets += targets

    def then(self, *lines: str) -> None:
        """Statements to follow the unpacking."""
        self._after += lines

    def name(self, prefix: str, value: object) -> str:
        """A global with this value."""
        name = f"{prefix}{len(self.names)}"
        self.names[name] = value
        return name

    def flush(self, behind: str = "at") -> None:
        """Write what has been gathered. From here on the variable `behind` is where it ends."""
        reader = struct.Struct(self._form)
        if self._targets:
            name = self.name("unpack", reader.unpack_from)
            self.lines.append(f"{', '.join(self._targets)}, = {name}(data, at)")
        if reader.size or behind != "at":
            self.lines.append(f"{behind} = at + {reader.size}")
        self.lines += self._after
        self._form, self._targets, self._after = "<", [], []
