"""A throw-away MySQL or MariaDB server, set up as Keyshift needs its source: row binlog with full metadata."""

import os
import secrets
from collections.abc import Sequence
from typing import Any, Final

import pymysql

from keyshift.cli.demo.child import HOST, Child, ThrowAway, leashed
from keyshift.cli.demo.program import Flavour, ServerProgram, find_program

INITIALISE_SECONDS_MAX = 300.0  # 2 s measured; a container's image has been pulled before

_BINLOG = (
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--server-id=1",
)
# No fsync at commit: what a commit wrote survives the death of the process, which is all that a throw-away server
# has to survive, and small transactions are many times faster.
_SMALL_AND_FAST = (
    "--innodb-buffer-pool-size=64M",
    "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
)
_BY_FLAVOUR: dict[Flavour, tuple[str, ...]] = {
    "mariadb": ("--innodb-log-file-size=16M",),
    "mysql": ("--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--innodb-redo-log-capacity=16M", "--mysqlx=OFF"),
}
# Runs at every start, is safe to repeat, and stays out of the binlog. Names are not resolved, so the account's host is
# what the server sees: 127.0.0.1, or a container's gateway.
_ACCOUNT = """\
SET SESSION sql_log_bin = 0;
DROP USER IF EXISTS 'root'@'127.0.0.1';
CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}';
GRANT ALL PRIVILEGES ON *.* TO '{user}'@'%' WITH GRANT OPTION;
"""


class Database(ThrowAway):
    """One server with its own directory, port and password; rows and port survive kill() and start().

    As a context manager it is started, and in the end stopped and removed. Raises ServerError when it cannot start.
    """

    def __init__(self, program: ServerProgram | None = None, options: Sequence[str] = ()) -> None:
        self._program = program or find_program()
        self._options = tuple(options)
        self._child = Child(self._program.flavour)
        self.directory: Final = self._child.directory
        self._data = self.directory / "data"
        self.flavour: Final = self._program.flavour
        self.version: Final = self._program.version
        self.host: Final = HOST
        self.port: Final = self._child.port
        self.user: Final = "root"
        self.password: Final = secrets.token_hex(8)

    def __repr__(self) -> str:
        return f"<{self.flavour} {self.version} at {self.host}:{self.port}>"

    def start(self) -> None:
        """Start, the first time on an empty data directory, and return when the root account can log in."""
        if not self._data.exists():
            self._initialise()
        self._child.start(self._command(self._server()), self._accepts)

    def stop(self) -> None:
        """Shut down cleanly; the rows stay."""
        self._child.stop()

    def kill(self) -> None:
        """End the server without any warning to it (SIGKILL); what was committed stays."""
        self._child.kill()

    def close(self) -> None:
        """Stop the server and remove all it wrote."""
        self._child.close()

    def connect(self, schema: str | None = None) -> "pymysql.Connection[Any]":
        """A new connection as root with autocommit on."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=schema,
            autocommit=True,
            connect_timeout=5,
            ssl_disabled=True,  # it never leaves this host, and reading all certificates takes longer than connecting
        )

    def _initialise(self) -> None:
        account = _ACCOUNT.format(user=self.user, password=self.password)
        (self.directory / "account.sql").write_text(account)
        self._data.mkdir()
        command = (*self._program.initialise, f"--datadir={self._data}", f"--tmpdir={self.directory}", *_as_user())
        self._child.run(self._command(command), seconds_max=INITIALISE_SECONDS_MAX)

    def _server(self) -> tuple[str, ...]:
        return (
            *self._program.server,
            "--no-defaults",
            *self._program.options,
            *_as_user(),
            f"--datadir={self._data}",
            f"--tmpdir={self.directory}",
            f"--secure-file-priv={self.directory}",  # the packaged default is a directory we may not have
            "--socket=server.sock",  # relative to the data directory: a full path may exceed a socket's 107 bytes
            "--pid-file=server.pid",
            f"--port={self.port}",
            f"--bind-address={self._program.bind_address}",
            "--skip-name-resolve",
            f"--init-file={self.directory / 'account.sql'}",
            *(*_BINLOG, *_SMALL_AND_FAST, *_BY_FLAVOUR[self.flavour], *self._options),
        )

    def _command(self, argv: Sequence[str]) -> list[str]:
        wrapper = [word.format(directory=self.directory, port=self.port) for word in self._program.wrapper]
        if wrapper:  # kill() ends a container through its leash, and the rows have to stay
            return [*wrapper, *leashed(argv, None)]
        return leashed(argv, self.directory)

    def _accepts(self) -> bool:
        try:
            self.connect().close()
        except pymysql.OperationalError:
            return False
        return True


def _as_user() -> tuple[str, ...]:
    """Both servers refuse to run as root unless told that it is meant."""
    return ("--user=root",) if os.geteuid() == 0 else ()
