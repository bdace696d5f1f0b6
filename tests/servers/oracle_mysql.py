"""Oracle's MySQL: the one on the machine, one in a container, or the newest from Debian's unstable suite.

Debian's stable suites hold MariaDB alone. Other releases than the newest cannot be had from the unstable one; for them
put a mysqld on the PATH or start Docker.
"""

from pathlib import Path

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.program import ServerProgram, container, describe, installed
from tests.servers import debian

PACKAGES = ("mysql-server-core", "mysql-client-core")
_WHY = "no Oracle MySQL for the tests: no mysqld on the PATH, no Docker engine, and Debian's own could not be fetched"


def oracle_mysql() -> ServerProgram:
    """A way to run Oracle MySQL; raises ServerError if there is none."""
    return installed("mysql") or container("mysql") or _from_sid()


def _from_sid() -> ServerProgram:
    root = debian.unpacked("mysql-sid", PACKAGES, why=_WHY)
    program = describe("mysql", debian.program(root, "usr/sbin/mysqld"), options=_options(root))
    if not program:
        raise ServerError(f"{_WHY}: {root} holds another server; remove it and try again")
    return program


def _options(root: Path) -> tuple[str, ...]:
    """Where the binary looks for its files; compiled in is the system's /usr."""
    plugins = next(root.glob("usr/lib/mysql/plugin"), root / "usr/lib/mysql/plugin")
    return (
        f"--basedir={root / 'usr'}",
        f"--lc-messages-dir={root / 'usr/share/mysql'}",
        f"--character-sets-dir={root / 'usr/share/mysql/charsets'}",
        f"--plugin-dir={plugins}",
    )
