"""What of a JSON document DynamoDB does not take: an empty name, a name that is too long, too many levels.

An object's keys are names of attributes to the service, which have 1 to 65,535 bytes at any depth. Values may be nested
to 32 levels, and what the innermost list or map holds is one of them: so 31 lists and maps may be within each other
(developer guide, "Constraints"; DynamoDB Local agrees, and so do put and batch requests of AWS itself that others have
published). A document that breaks this is refused with its column's name before any of its row is sent.

Empty names and levels are looked at where the attribute is made (keymap.attributes). Only of a document whose text is
long enough to hold such a name are the names measured.
"""

from typing import Final

LEVELS_MAX: Final = 31  # of lists and maps within each other
NAME_BYTES_MAX: Final = 65_535
NAME_CHARACTERS_SAFE: Final = NAME_BYTES_MAX // 4  # of which no more than that many bytes can come


class NotTaken(ValueError):
    """DynamoDB does not take a document. `told` says why, and nothing of what the document holds."""

    why = ""

    def told(self, room: int) -> str:
        """Why, where so many lists and maps may be within each other."""
        return self.why.format(room=max(room, 0), most=NAME_BYTES_MAX)


class TooDeep(NotTaken):
    """Too many lists and maps are within each other."""

    why = "more than {room} objects and arrays are within each other"


class EmptyName(NotTaken):
    """A name is empty."""

    why = "a key of an object is empty"


class LongName(NotTaken):
    """A name is too long."""

    why = "a key of an object has more than {most} bytes"


def require_names(document: object, text: str) -> None:
    """Raise LongName where a name in a decoded document is too long. `text` is its JSON: no name has more bytes."""
    if text.isascii() and len(text) <= NAME_BYTES_MAX:
        return
    left = [document]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if any(len(name) > NAME_CHARACTERS_SAFE and _bytes(name) > NAME_BYTES_MAX for name in one):
                raise LongName
            left += one.values()
        elif isinstance(one, list):
            left += one


def _bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))
