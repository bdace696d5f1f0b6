"""Where hooks come from: modules beside the keymap file, or installed ones, imported when the keymap is read.

Their source text counts in the keymap's digest, so that a hook that was changed is another keymap. What they import in
turn does not count: it is for the author to keep the same wherever Keyshift runs.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from keymap.document import HookDocument, KeymapDocument, RuleDocument
from keymap.errors import Problem
from keymap.hooks import Hook, HookFunction
from keymap.template import parse_template
from keymap.yaml_file import Lines


class _Mistake(Exception):
    """Why a hook cannot be had, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass(slots=True)
class Hooks:
    """A keymap's hooks: the functions by name, the text of their modules, and what is wrong with them."""

    functions: dict[str, HookFunction] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of(self, rule: RuleDocument) -> Hook | None:
        """The hook of a rule, None where it has none."""
        if rule.hook is None:
            return None
        names = (name for text in rule.key.values() for name in parse_template(text).columns)
        key = tuple(name for name in dict.fromkeys(names) if name not in rule.hook.columns)
        return Hook(rule.hook.call, self.functions[rule.hook.call], rule.hook.columns, key)


def load_hooks(document: KeymapDocument, lines: Lines, folder: Path | None) -> Hooks:
    """All hooks of a keymap whose file is in `folder`, which joins Python's path where there are any."""
    hooks = Hooks()
    for path, hook in _named(document):
        if folder is not None and str(folder) not in sys.path:
            sys.path.append(str(folder))  # at its end: no file beside a keymap takes the place of an installed module
        try:
            _load(hooks, hook.call, folder)
        except _Mistake as mistake:
            hooks.problems.append(Problem(lines.where(*path), f"hook {hook.call}: {mistake.what}", mistake.remedy))
    return hooks


def _named(document: KeymapDocument) -> Iterator[tuple[tuple[str | int, ...], HookDocument]]:
    for table, rules in document.tables.items():
        for index, rule in enumerate(rules):
            if rule.hook is not None:
                yield ("tables", table, index, "hook", "call"), rule.hook


def _load(hooks: Hooks, call: str, folder: Path | None) -> None:
    if call in hooks.functions:
        return
    name, _, function = call.partition(":")
    module = _imported(name)
    _require_the_one_beside(module, name, folder)
    hooks.functions[call] = _function(module, function)
    hooks.sources[name] = _source(module)


def _imported(name: str) -> ModuleType:
    importlib.invalidate_caches()  # the file may be new
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise _Mistake(
                f"there is no module {name}", "Put it beside the keymap file, or install it where Keyshift runs"
            ) from None
        raise _unusable(name, error) from None
    except Exception as error:  # noqa: BLE001 - it is the author's code that runs
        raise _unusable(name, error) from None


def _unusable(name: str, error: Exception) -> _Mistake:
    return _Mistake(f"module {name} cannot be imported: {type(error).__name__}: {error}", "Correct the module")


def _require_the_one_beside(module: ModuleType, name: str, folder: Path | None) -> None:
    """The module beside the keymap is meant, where there is one; another of its name would come first unseen."""
    if folder is None:
        return
    stem = folder.joinpath(*name.split("."))
    beside = [path for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if path.is_file()]
    found = getattr(module, "__file__", None)  # built-in modules have none
    if beside and not (found and any(path.samefile(found) for path in beside)):
        what = f"module {name} is beside the keymap, and another of its name comes first"
        raise _Mistake(what, "Rename it")


def _function(module: ModuleType, name: str) -> HookFunction:
    found = getattr(module, name, None)
    if found is None:
        raise _Mistake(f"module {module.__name__} has no function {name}", "Correct the name")
    if not callable(found):
        raise _Mistake(f"{name} is no function", "Name a function")
    if any(is_other(found) for is_other in _OTHERS):
        raise _Mistake(f"{name} is a generator or async", "Make it return its rows, in a list")
    function: HookFunction = found
    return function


_OTHERS: tuple[Callable[[Any], bool], ...] = (
    inspect.isgeneratorfunction,
    inspect.iscoroutinefunction,
    inspect.isasyncgenfunction,
)


def _source(module: ModuleType) -> str:
    loader = module.__spec__.loader if module.__spec__ else None
    read = getattr(loader, "get_source", None)
    text = read(module.__name__) if read else None
    if text is None:
        what = f"module {module.__name__} has no source text, which the keymap's digest counts"
        raise _Mistake(what, "Use a module that is a .py file")
    return str(text).replace("\r\n", "\n").replace("\r", "\n")


def modules_beside(keymap: Path) -> list[Path]:
    """All modules and packages beside a keymap file, of which its hooks may import: files, and folders."""
    folder = keymap.absolute().parent
    return sorted(path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())


def told(sources: Mapping[str, str]) -> str:
    """The hooks' part of what a keymap means, for its digest; "" where there are none."""
    return "".join(f"\n{name}\n{len(text)}\n{text}" for name, text in sorted(sources.items()))
