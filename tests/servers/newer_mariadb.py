"""A newer MariaDB than Debian's stable suite holds: one in a container, or the newest from Debian's unstable suite."""

from dataclasses import replace
from pathlib import Path

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.program import ServerProgram, container, describe
from tests.servers import debian

PACKAGES = ("mariadb-server-core", "mariadb-client-core")
_WHY = "no newer MariaDB for the tests: no Docker engine, and Debian's own could not be fetched"
# What mariadb-install-db does, as far as a throw-away server needs it: that script wants its programs in system paths.
_SYSTEM_TABLES = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")
_INITIALISE = """{ echo 'CREATE DATABASE mysql;'; echo 'USE mysql;'; cat %s; } | "$@" """


def newer_mariadb() -> ServerProgram:
    """A way to run MariaDB 11.8 or newer; raises ServerError if there is none."""
    return container("mariadb") or _from_sid()


def _from_sid() -> ServerProgram:
    root = debian.unpacked("mariadb-sid", PACKAGES, why=_WHY)
    server = debian.program(root, "usr/sbin/mariadbd")
    program = describe("mariadb", server, options=_options(root))
    if not program:
        raise ServerError(f"{_WHY}: {root} holds another server; remove it and try again")
    tables = " ".join(str(root / "usr/share/mariadb" / name) for name in _SYSTEM_TABLES)
    bootstrap = ("/bin/sh", "-c", _INITIALISE % tables, "sh", *server, "--no-defaults", *program.options, "--bootstrap")
    return replace(program, initialise=bootstrap)


def _options(root: Path) -> tuple[str, ...]:
    """Where the binary looks for its files; compiled in is the system's /usr."""
    return (
        f"--basedir={root / 'usr'}",
        f"--lc-messages-dir={root / 'usr/share/mariadb'}",
        f"--character-sets-dir={root / 'usr/share/mariadb/charsets'}",
    )
