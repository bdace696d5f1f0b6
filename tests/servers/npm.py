"""Servers that are published as npm packages, in the cache directory."""

import shutil
from pathlib import Path

from keyshift.cli.demo.packages import apt_install, locked, run
from tests.servers import CACHE


def npm_package(name: str, version: str) -> Path:
    """The directory of the package, installed if it is not there yet."""
    prefix = CACHE / f"{name}-{version}"
    package = prefix / "node_modules" / name
    with locked(CACHE / f"{name}.lock"):
        if not (prefix / "complete").exists():
            _install(f"{name}@{version}", prefix)
            (prefix / "complete").touch()
    return package


def executable(name: str, package: str) -> str:
    """The path of a program, from the Debian package if it is not there yet."""
    why = f"the tests need {name} (package {package})"
    if not shutil.which(name):
        apt_install([package], why=why)
    return shutil.which(name) or name


def _install(package: str, prefix: Path) -> None:
    npm = executable("npm", "npm")
    prefix.mkdir(parents=True, exist_ok=True)
    why = f"the tests need the npm package {package}"
    run([npm, "install", "--prefix", str(prefix), "--no-audit", "--no-fund", package], why=why, cwd=prefix)
