"""A captured table that is not there when capture goes on: told as what it is, and not as a slip in the keymap."""

from collections.abc import Collection, Iterable, Iterator

from keymap.errors import Problem
from keyshift.control.halts import Halt

REMEDY = (
    "If it was renamed, or dropped, give it back its name: capture stops at such a statement, and it is decided about"
    " there (docs/ddl.md). Else see that the user may SELECT from it"
)


def gone_told(
    problems: Iterable[Problem], captured: Collection[str], present: Collection[str], halt: Halt | None = None
) -> Iterator[Problem]:
    """The problems, but for a captured table that is not `present`: that it is gone, and what `halt` has to do with it.

    `halt` is where capture stopped last, None where it did not, or went on since.
    """
    gone = {f"table {table}": table for table in captured if table not in present}
    for problem in problems:
        if problem.where not in gone:
            yield problem
            continue
        stopped = halt is not None and gone[problem.where] in halt.tables
        why = f"; capture stopped at {halt.place}: {halt.what}" if halt and stopped else ""
        what = f"it was captured, and is not there under this name any more, or the user may not see it{why}"
        yield Problem(problem.where, what, REMEDY)
