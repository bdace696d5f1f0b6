"""What is told beside the keymap: what could not be carried over, and what to look at."""

from dataclasses import dataclass, field

from keymap.errors import Problem


@dataclass(frozen=True, slots=True)
class Remarks:
    """`left_out`: what DMS does and the keymap does not. `notes`: what was assumed, or has no meaning here.

    Both are in the order in which they were found, each once.
    """

    left_out: dict[Problem, None] = field(default_factory=dict)
    notes: dict[Problem, None] = field(default_factory=dict)

    def leave_out(self, where: str, what: str, remedy: str) -> None:
        """Something that the keymap does not do, with what to do by hand."""
        self.left_out[Problem(plain(where), plain(what), plain(remedy))] = None

    def note(self, where: str, what: str, remedy: str) -> None:
        """Something to look at."""
        self.notes[Problem(plain(where), plain(what), plain(remedy))] = None


def plain(text: str) -> str:
    """The text on one line: what cannot be printed is written as its escape."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
