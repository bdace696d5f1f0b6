"""The servers' own program that reads a binlog and prints its rows: the practical limit of a decoder."""

import os
import shutil
import subprocess
from pathlib import Path

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.database import Database
from keyshift.cli.demo.packages import apt_install
from keyshift.cli.demo.program import ServerProgram

_NAMES = ("mariadb-binlog", "mysqlbinlog")
_PACKAGE = "mariadb-client"
_FORM = ("--read-from-remote-server", "--base64-output=DECODE-ROWS", "-v")
_PLAIN = {"mariadb": ("--skip-ssl",), "mysql": ("--ssl-mode=DISABLED", "--get-server-public-key")}


def command(program: ServerProgram) -> list[str]:
    """The program beside the server's, run as that is run, else one on the PATH, which is installed where it can be.

    Raises ServerError where there is none.
    """
    found = _beside(program) or _on_path(program)
    if not found and program.flavour == "mariadb":
        apt_install([_PACKAGE], why="no mariadb-binlog to compare with")
        found = _on_path(program)
    if not found:
        raise ServerError(f"there is no mysqlbinlog for {program.flavour} {program.version}")
    return found


def _beside(program: ServerProgram) -> list[str] | None:
    folder = Path(program.server[-1]).parent
    paths = [folder.parent / "bin" / name for name in _NAMES if folder.is_absolute() and not program.wrapper]
    return next(([*program.server[:-1], str(path)] for path in paths if path.exists()), None)


def _on_path(program: ServerProgram) -> list[str] | None:
    """MariaDB's program cannot read what MySQL 8 and later write, and packages link mysqlbinlog to it."""
    for name in _NAMES:
        path = shutil.which(name)
        if path and ("mariadb" in Path(path).resolve().name) == (program.flavour == "mariadb"):
            return [path]
    return None


def print_rows(words: list[str], database: Database, file: str, begin: int, end: int) -> None:
    """Print all rows between two offsets of a file, as read from the server, to nowhere."""
    place = [f"--host={database.host}", f"--port={database.port}", f"--user={database.user}", "--protocol=tcp"]
    stretch = [f"--start-position={begin}", f"--stop-position={end}", file]
    options = ["--no-defaults", *_FORM, *_PLAIN[database.flavour], *place, *stretch]
    environment = os.environ | {"MYSQL_PWD": database.password}
    subprocess.run([*words, *options], check=True, stdout=subprocess.DEVNULL, env=environment)
