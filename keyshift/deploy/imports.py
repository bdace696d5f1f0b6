"""Which of our modules a program needs, and which libraries: read from its text, so that no list can be forgotten.

Every import statement counts, also one within a function, which running the program would show only once it is there;
what stands under `if TYPE_CHECKING` does not.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Needs:
    """`modules` of ours, by their files; `libraries` by the names under which they are imported."""

    modules: tuple[Path, ...]
    libraries: frozenset[str]


def needs(program: Path, root: Path, ours: Iterable[str]) -> Needs:
    """What `program` needs, itself included, where our packages have these names and lie in `root`."""
    packages, found, libraries = frozenset(ours), {program: None}, set()
    waiting = [program]
    while waiting:
        for name in _imported(ast.parse(waiting.pop().read_bytes())):
            top = name.partition(".")[0]
            if top not in packages:
                libraries.add(top)
                continue
            new = [file for file in _files(root, name) if file not in found]
            found.update(dict.fromkeys(new))
            waiting += new
    return Needs(tuple(sorted(found)), frozenset(libraries - sys.stdlib_module_names))


def _imported(node: ast.AST) -> Iterator[str]:
    """The modules that are named, and those that may be meant: `from a import b` may mean a.b."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from _imported(ast.Module(child.orelse, []))
        else:
            yield from _imported(child)


def _files(root: Path, name: str) -> Iterator[Path]:
    """The files of a module and of the packages that it is in; none for what is no module but a name in one."""
    place = root
    for part in name.split("."):
        place /= part
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                yield file
