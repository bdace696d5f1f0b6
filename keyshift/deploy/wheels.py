"""The libraries of the function, as Lambda's platform needs them: those versions that uv.lock says, by their hashes.

Fetched by uv, from the index that it is told of. What the function does not use of them is left out: of botocore, whose
models of all services are 20 MB, the services that it calls.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from bulkload.spark.pack import needed
from keymap.errors import KeyshiftError

Architecture = Literal["arm64", "x86_64"]
SERVICES: Final = frozenset({"dynamodb", "s3"})  # what the function calls
UNIMPORTED: Final = frozenset({"tzdata"})  # Lambda has no zone database
_PLATFORMS: Final = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}
# v1 is the pydantic of before; _yaml wraps libyaml, while our loader is the one in Python, and does without.
_UNUSED: Final = re.compile(r"(boto3/data|boto3/examples|pydantic/v1|bin)/|yaml/_yaml[^/]*\.so|\.lock\Z")
_SUFFIXES: Final = frozenset({".pyi", ".pyx", ".pxd", ".c", ".h", ".pyc"})
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?:.*\\\n)*.*$", re.MULTILINE)
_SECONDS_MAX: Final = 600.0


@dataclass(frozen=True, slots=True)
class Platform:
    """What an archive is for: Lambda's name of the architecture, and the version of Python, such as "3.13".

    `command`: the words that run a Python of both; () where there is none but, perhaps, this machine's own.
    """

    architecture: Architecture
    python: str
    command: tuple[str, ...] = ()


def fetch(libraries: Iterable[str], platform: Platform, project: Path, place: Path) -> None:
    """Put the libraries, and what they need, into `place`. `project` is the folder that uv.lock is in.

    Raises KeyshiftError where uv is not there, or cannot get one of them for the platform.
    """
    asked = place.with_name("requirements.txt")
    asked.write_text("\n".join(locked(libraries, project)) + "\n")
    argv = ["pip", "install", "--target", str(place), "--requirements", str(asked), "--require-hashes", "--no-deps"]
    argv += ["--python-platform", _PLATFORMS[platform.architecture], "--python-version", platform.python]
    uv(*argv, "--only-binary", ":all:", "--link-mode", "hardlink", "--python", sys.executable)


def locked(libraries: Iterable[str], project: Path) -> list[str]:
    """The requirements, with their hashes, of these libraries and of all that they need."""
    distributions = packages_distributions()
    names = [name for library in sorted({*libraries, *UNIMPORTED}) for name in distributions[library]]
    wanted = {_normal(one.name) for name in names for one in needed(name)}
    argv = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header"]
    exported = uv(*argv, "--project", str(project))
    return [found[0] for found in _REQUIREMENT.finditer(exported) if _normal(found[1]) in wanted]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def interpreter(version: str) -> Path | None:
    """A Python of this version on this machine, None where there is none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    try:
        return Path(uv("python", "find", "--no-project", "--no-python-downloads", version).strip())
    except KeyshiftError:
        return None


def uv(*argv: str) -> str:
    """What uv prints. Raises KeyshiftError where it fails."""
    beside = Path(sys.executable).parent
    program = shutil.which("uv", path=str(beside)) or shutil.which("uv")
    if program is None:
        raise KeyshiftError("uv is not there, which fetches the libraries", "Install it: `pip install uv`")
    done = subprocess.run(  # noqa: S603 - uv, as above
        [program, *argv], capture_output=True, text=True, timeout=_SECONDS_MAX, check=False
    )
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise KeyshiftError(f"uv {' '.join(argv[:2])} fails: {reason}", "See whether the package index can be reached")
    return done.stdout


def used(place: Path) -> Iterator[tuple[str, Path]]:
    """The files below `place` that the function uses, by their paths."""
    for file in sorted(place.rglob("*")):
        path = PurePosixPath(file.relative_to(place).as_posix())
        if file.is_file() and is_used(path):
            yield str(path), file


def is_used(path: PurePosixPath) -> bool:
    """Whether a library's file is of use to the function."""
    if path.suffix in _SUFFIXES or _UNUSED.match(str(path)):
        return False
    if path.parts[0].endswith(".dist-info"):
        return path.name == "METADATA"  # which version is in there; for licences look at the packages themselves
    in_data = path.parts[:2] == ("botocore", "data") and len(path.parts) > 3  # noqa: PLR2004 - below a service's folder
    return not in_data or path.parts[2] in SERVICES
