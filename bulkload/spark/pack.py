"""A packed environment: one archive with Python, Keyshift, what it needs, the keymap and the modules beside it.

Spark unpacks it where the driver and the executors run (`spark.archives`), wherever that is. So it is no virtual
environment, which is tied to a place and to the system's Python, but an installation: Python finds its libraries from
where its own program lies. Nothing is fetched: what is installed here is what runs there, compiled parts included,
which Python cannot import from a zip. So this host must be like the cluster's in architecture and C library.

Settings are left out: they may hold secrets. What was packed is tried before it is called done, from another folder.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bulkload.spark.environment import PROJECT
from keymap.errors import KeyshiftError
from keymap.hook_modules import modules_beside

OURS: Final = ("keymap", "keyshift", "cdc", "bulkload")
_NAME: Final = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?[^;]*(?:;.*\bextra\s*==\s*['\"]([^'\"]+)['\"])?")
_LEFT_OUT: Final = shutil.ignore_patterns(
    *("__pycache__", "*.pyc", "*.pyx", "*.pxd", "_*.c", "site-packages", "dist-packages", "config-*"),
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "sitecustomize.py"),
)
_TRY_SECONDS_MAX: Final = 120.0  # for starting and importing: seconds on a busy host
_LAUNCHER: Final = """\
#!/bin/sh
here=$(dirname "$0")/..
LD_LIBRARY_PATH="$here/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" exec "$here/bin/{program}" "$@"
"""
_TRIAL: Final = f"""
import sys
from pathlib import Path
import ctypes, ssl, zlib
import keyshift.cli.bulkload, keyshift.native
from keymap.rules import load_keymap
print(load_keymap(Path(sys.prefix) / {PROJECT!r} / sys.argv[1]).digest)
mapped = {{line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}}
print(*sorted(Path(one).name for one in mapped if not one.startswith(sys.prefix)))
"""


def pack(keymap: Path, digest: str, archive: Path) -> list[str]:
    """Write the archive, for the keymap of this digest. Returns the shared libraries that the cluster must have.

    Raises KeyshiftError where what was packed does not work elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix="keyshift-pack-") as folder:
        root = Path(folder, "environment")
        _copy_python(root)
        _copy_packages(root / _packages_folder())
        _copy_project(keymap, root / PROJECT)
        libraries = _tried(root, keymap.name, digest)
        _write(root, archive)
    return libraries


def _copy_python(root: Path) -> None:
    """The interpreter and its standard library, and Python's own shared library where it is built with one."""
    program, bin_folder = Path(sys.executable).resolve(), root / "bin"
    bin_folder.mkdir(parents=True)
    shutil.copy2(program, bin_folder / program.name)
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, root / library.relative_to(sys.base_prefix), ignore=_LEFT_OUT)
    shared = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME") or "")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and shared.is_file():
        (root / "lib").mkdir(exist_ok=True)
        shutil.copy2(shared, root / "lib" / shared.name)
    (bin_folder / "python").write_text(_LAUNCHER.format(program=program.name))
    (bin_folder / "python").chmod(0o755)
    (bin_folder / "python3").symlink_to("python")


def _packages_folder() -> Path:
    """Where the interpreter, which is no virtual environment's there, looks for packages; distributions differ."""
    asked = [
        str(Path(sys.executable).resolve()),
        "-ISc",
        "import site, sys; print(site.getsitepackages()[-1], sys.prefix)",
    ]
    folder, prefix = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    return Path(folder).relative_to(prefix)


def _copy_packages(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in OURS:
        spec = find_spec(name)
        assert spec
        assert spec.origin
        shutil.copytree(Path(spec.origin).parent, place / name, ignore=_LEFT_OUT)
    for one in needed("keyshift"):
        own = one.name == "keyshift"  # its packages are copied, from wherever they are; what tells its version is left
        for file in one.files or ():
            source = Path(str(file.locate()))
            wanted = file.parts[0].endswith("-info") if own else ".." not in file.parts
            if wanted and source.suffix not in {".pyc", ".pth"} and source.is_file():
                target = place / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)


def needed(name: str) -> Iterator[Distribution]:
    """The installed distributions that one needs to run, and itself."""
    waiting, seen = [(name, "")], set()
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.add(found)
        try:
            one = distribution(found[0])
        except PackageNotFoundError:
            continue  # for another Python, or another system
        if not any(other == found[0] for other, extra in seen if (other, extra) != found):
            yield one
        for requirement in one.requires or ():
            matched = _NAME.match(requirement)
            assert matched
            of, extras, wanted_by = matched.groups()
            if wanted_by in {None, found[1]}:
                waiting += [(of, extra.strip()) for extra in ("", *(extras or "").split(","))]


def _copy_project(keymap: Path, place: Path) -> None:
    """The keymap, and all modules beside it: what hooks import in turn is among them."""
    place.mkdir()
    shutil.copy2(keymap, place / keymap.name)
    for path in modules_beside(keymap):
        if path.is_dir():
            shutil.copytree(path, place / path.name, ignore=_LEFT_OUT)
        else:
            shutil.copy2(path, place / path.name)


def _tried(root: Path, keymap: str, digest: str) -> list[str]:
    """Use it from another folder, with nothing of this process's environment."""
    moved = root.rename(root.with_name("moved"))
    argv = [str(moved / "bin" / "python"), "-I", "-c", _TRIAL, keymap]
    try:
        done = subprocess.run(  # noqa: S603 - what was just packed
            argv, env={}, cwd=moved, capture_output=True, text=True, timeout=_TRY_SECONDS_MAX, check=False
        )
    finally:
        moved.rename(root)
    remedy = "Make the environment anew with a Python that can be moved, such as that of `uv python install 3.12`"
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise KeyshiftError(f"what was packed does not work in another folder: {reason}", remedy)
    told, libraries = done.stdout.splitlines()
    if told != digest:
        message = f"the packed keymap has the digest {told}, the keymap here {digest}"
        raise KeyshiftError(message, "Put the modules with its hooks beside the keymap, or install them")
    if any(name.startswith("libpython") for name in libraries.split()):
        raise KeyshiftError("Python's own library lies outside of its installation", remedy)
    return libraries.split()


def _write(root: Path, archive: Path) -> None:
    beside = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        with tarfile.open(beside, "w:gz", compresslevel=1) as packed:
            packed.add(root, arcname=".")
        beside.replace(archive)
    finally:
        beside.unlink(missing_ok=True)
