"""The function's archive: the handler, what it imports, and the modules with the keymap's hooks. No keymap: the
function reads that of its migration from the control table.

Two builds of the same give the same bytes: entries are sorted, have one time and one mode, and bytecode depends on
nothing but the source. Bytecode is packed because Lambda's file system cannot be written to: without it, each new
container compiles all modules again. It is never compared with the source, which nobody changes there.

What was packed is tried where this machine can (keyshift/deploy/tried.py).
"""

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keyshift
from bulkload.spark.pack import OURS
from keymap.errors import KeyshiftError
from keymap.hook_modules import modules_beside
from keymap.rules import Keymap
from keyshift.deploy.imports import needs
from keyshift.deploy.tried import attempt, run, untried
from keyshift.deploy.wheels import Platform, fetch, interpreter, used

HANDLER: Final = "apply_stream.py"
UNPACKED_BYTES_MAX: Final = 250 * 1024 * 1024  # Lambda's
DIRECT_BYTES_MAX: Final = 50 * 1024 * 1024  # Lambda's, of an archive that is not taken from a bucket
ROOT: Final = Path(keyshift.__file__).parents[1]
_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say
_MODE: Final = 0o644
_UNIX: Final = 3
_LEVEL: Final = 6  # 9 takes twice the time for 1 %
_LEFT_OUT: Final = ("__pycache__", ".git")
_TASK_ROOT: Final = "/var/task"  # where Lambda unpacks it, for tracebacks


@dataclass(frozen=True, slots=True)
class Built:
    """What was built. `left_out`: why it has no bytecode, or was not tried; "" where it has, and was."""

    archive: Path
    bytes: int
    unpacked_bytes: int
    sha256: str
    left_out: str

    @property
    def is_large(self) -> bool:
        """Whether Lambda takes it only from a bucket."""
        return self.bytes > DIRECT_BYTES_MAX


def build(keymap: Keymap, file: Path, platform: Platform, more: Sequence[Path], archive: Path) -> Built:
    """Write the archive for a keymap, which was read from `file`; `more` are modules, packages, and folders of them.

    Raises KeyshiftError where a file comes from two places, something cannot be had, what was packed does not work, or
    is larger than Lambda takes. The archive is then as it was before.
    """
    with tempfile.TemporaryDirectory(prefix="keyshift-zip-") as folder:
        stage = Path(folder, "stage")
        modules = _stage(stage, keymap, file, platform, more)
        own = interpreter(platform.python)
        python = (str(own),) if own else platform.command  # an emulator compiles as well, only more slowly
        if python:
            _compile(stage, python)
        left_out = untried(platform, own)
        if not left_out:
            attempt(stage, platform, platform.command or python, keymap, modules)
        size = sum(one.stat().st_size for one in stage.rglob("*") if one.is_file())
        _require_size(size)
        beside = archive.with_name(f".{archive.name}.{os.getpid()}")
        try:
            _write(stage, beside)
            digest = hashlib.sha256(beside.read_bytes()).hexdigest()
            beside.replace(archive)
        finally:
            beside.unlink(missing_ok=True)
    return Built(archive, archive.stat().st_size, size, digest, left_out)


def _stage(stage: Path, keymap: Keymap, file: Path, platform: Platform, more: Sequence[Path]) -> list[str]:
    """Lay out what the archive holds. Returns the names of our modules in it."""
    program = ROOT / "lambda" / HANDLER
    if not program.is_file():
        raise KeyshiftError(f"{program} is not there: an installed package has no handler", "Run it in a checkout")
    found = needs(program, ROOT, OURS)
    for one in found.modules:
        _put(stage, _place(one, program), one)
    fetched = stage.with_name("fetched")
    fetch(found.libraries, platform, ROOT, fetched)
    for path, one in used(fetched):
        _put(stage, path, one)
    for path, one in _hooks(keymap, file, more):
        _put(stage, path, one)
    return [_place(one, program).removesuffix(".py").replace("/", ".") for one in found.modules]


def _place(module: Path, program: Path) -> str:
    return module.name if module == program else module.relative_to(ROOT).as_posix()


def _hooks(keymap: Keymap, file: Path, more: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """The modules with hooks and all that are beside the keymap, of which they may import; then what was asked for."""
    roots = []
    if keymap.hook_sources:
        roots += modules_beside(file)
        there = {one.stem for one in roots}
        tops = {name.partition(".")[0] for name in keymap.hook_sources}
        roots += [_installed(name) for name in sorted(tops - there)]
    for root in roots:
        yield from _files(root, root.parent)
    for one in more:
        if not one.exists():
            raise KeyshiftError(f"there is no {one}", "Name a module, a package, or a folder of them")
        whole = one.is_file() or (one / "__init__.py").is_file()
        yield from _files(one, one.absolute().parent if whole else one)


def _files(root: Path, above: Path) -> Iterator[tuple[str, Path]]:
    for one in sorted(root.rglob("*")) if root.is_dir() else [root]:
        path = one.absolute().relative_to(above.absolute())
        if one.is_file() and not set(path.parts) & set(_LEFT_OUT):
            yield path.as_posix(), one


def _installed(name: str) -> Path:
    """The file of a module that was imported, or its package's folder; a package may have no `__init__.py`."""
    module = sys.modules[name]
    return Path(next(iter(module.__path__)) if hasattr(module, "__path__") else str(module.__file__))


def _put(stage: Path, path: str, source: Path) -> None:
    target = stage / path
    if target.exists() and target.read_bytes() != source.read_bytes():
        raise KeyshiftError(f"{source} would take the place of another {path} in the archive", "Rename it")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _compile(stage: Path, python: Sequence[str]) -> None:
    argv = [*python, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    argv += ["-s", str(stage), "-p", _TASK_ROOT, str(stage)]
    # A set in the source is written in the order of its hashes; a file that cannot be compiled stays as it is.
    run(argv, {"PYTHONHASHSEED": "0"})


def _require_size(size: int) -> None:
    if size > UNPACKED_BYTES_MAX:
        raise KeyshiftError(
            f"the archive holds {size:,} bytes, and Lambda takes {UNPACKED_BYTES_MAX:,}",
            "Leave out what hooks do not need (--hooks)",
        )


def _write(stage: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(one.relative_to(stage).as_posix() for one in stage.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.external_attr, entry.create_system = _MODE << 16, _UNIX
            packed.writestr(entry, (stage / path).read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)
