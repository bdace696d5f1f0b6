"""What the source server is and says of itself: flavour, version, identity, variables, and its binlog position."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from keymap.errors import KeyshiftError
from keymap.gtid import GtidSet
from keymap.position import Position
from keyshift.mysql.connection import Connection, MySQLError, Result, error_number, query

Flavour = Literal["mysql", "mariadb"]
Platform = Literal["own", "rds", "aurora"]  # who runs the server: somebody with a configuration file, or Amazon

_DENIED = frozenset({1044, 1142, 1143, 1227})


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server at one moment.

    `variables` are its global variables by lower-case name; `identity` tells servers apart (not runs of one server).
    """

    flavour: Flavour
    version: tuple[int, ...]
    identity: str
    variables: Mapping[str, str]

    @property
    def gtid(self) -> bool:
        """Whether positions have a MySQL GTID set. MariaDB's GTIDs are another thing and not used."""
        return self.flavour == "mysql" and self.variables.get("gtid_mode") == "ON"

    @property
    def describes_rows(self) -> bool:
        """Whether its binlog's table maps are complete: names, labels, character sets, keys (FULL metadata)."""
        return self.variables.get("binlog_row_metadata", "").upper() == "FULL"

    @property
    def platform(self) -> Platform:
        """Who runs it. Amazon's servers are known by where they are installed, which every user may see."""
        if "aurora_version" in self.variables or "mysql_aurora" in self.variables.get("basedir", ""):
            return "aurora"
        return "rds" if self.variables.get("basedir", "").startswith("/rdsdbbin/") else "own"

    @property
    def aurora_reader(self) -> bool:
        """Whether it is a reader of an Aurora cluster. `read_only` is OFF there; this is the variable that tells."""
        return self.platform == "aurora" and self.variables.get("innodb_read_only") == "ON"

    @property
    def binlog_base(self) -> str:
        """What the names of its binlog files begin with, "" where it does not say."""
        return self.variables.get("log_bin_basename", "").rpartition("/")[2]

    @property
    def binlog_retention(self) -> str:
        """Its setting of how long binlogs stay, with the name; "" where it has none."""
        names = ("binlog_expire_logs_seconds", "expire_logs_days")
        return next((f"{name}={self.variables[name]}" for name in names if name in self.variables), "")

    @property
    def name(self) -> str:
        """Product and version, for people."""
        product = "MariaDB" if self.flavour == "mariadb" else "MySQL"
        by = {"own": "", "rds": "RDS for ", "aurora": "Aurora "}[self.platform]
        return f"{by}{product} {'.'.join(map(str, self.version))}"


@dataclass(frozen=True, slots=True)
class BinlogStatus:
    """The end of the binlog, and the databases that the server is told to log or not to log ("" = no such filter)."""

    file: str
    offset: int
    do_db: str
    ignore_db: str


def read_facts(connection: Connection) -> ServerFacts:
    """The server's facts, now."""
    variables = {str(name).lower(): str(value) for name, value in query(connection, "SHOW GLOBAL VARIABLES")}
    text = variables["version"]
    flavour: Flavour = "mariadb" if "mariadb" in text.lower() else "mysql"
    return ServerFacts(flavour, version_of(text), identity_of(variables), variables)


def version_of(text: str) -> tuple[int, ...]:
    """``10.11.6-MariaDB-log`` is (10, 11, 6). MariaDB's historic prefix ``5.5.5-`` is not part of it."""
    found = re.match(r"(?:5\.5\.5-)?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, found.group(1).split("."))) if found else ()


def identity_of(variables: Mapping[str, str]) -> str:
    """MySQL's `server_uuid`, MariaDB's `server_uid`, or, where a server has neither, what tells it from others."""
    if uuid := variables.get("server_uuid"):
        return uuid
    if uid := variables.get("server_uid"):
        return f"{uid}:{variables.get('server_id', '')}"  # derived from host and port: two in containers may share it
    return f"server_id:{variables.get('server_id')}:{variables.get('hostname')}:{variables.get('port')}"


def read_status(connection: Connection, facts: ServerFacts) -> BinlogStatus:
    """The end of the binlog. Raises KeyshiftError where there is none, or where asking for it is not permitted."""
    try:
        rows = _status_rows(connection, facts)
    except MySQLError as error:
        if error_number(error) in _DENIED:
            privilege = "BINLOG MONITOR" if facts.flavour == "mariadb" else "REPLICATION CLIENT"
            message = "the source's user may not ask for the binlog position"
            raise KeyshiftError(message, f"Run: GRANT {privilege} ON *.* TO the user") from error
        raise
    if not rows:
        raise KeyshiftError("the source writes no binlog (log_bin=OFF)", "Switch it on with log_bin and restart it")
    file, offset, do_db, ignore_db, *_ = rows[0]
    return BinlogStatus(str(file), int(offset), str(do_db or ""), str(ignore_db or ""))


def _status_rows(connection: Connection, facts: ServerFacts) -> Result:
    if facts.flavour == "mysql" and facts.version >= (8, 2):
        return query(connection, "SHOW BINARY LOG STATUS")  # the other form is gone from 8.4 on
    return query(connection, "SHOW MASTER STATUS")


def read_position(connection: Connection, facts: ServerFacts) -> Position:
    """The end of the binlog, for a barrier: everything committed before this call is contained in it.

    It runs ahead of what SELECT sees (docs/design, "Version"): never start reading rows or changes from it.
    """
    status = read_status(connection, facts)
    return Position(status.file, status.offset, read_gtid_executed(connection) if facts.gtid else "")


def read_gtid_executed(connection: Connection) -> str:
    """MySQL's executed GTID set in canonical text. A transaction is in it only once SELECT sees it."""
    ((text,),) = query(connection, "SELECT @@global.gtid_executed")
    return str(GtidSet(text))


def read_gtid_seen(connection: Connection) -> str:
    """What MySQL has executed or is committing now, in canonical text: it contains all that any SELECT has seen so far.

    "" where positions have no GTID set (ServerFacts.gtid). A transaction is seen an instant before it is in
    `gtid_executed`; until it is there, `gtid_owned` names it. So the one is asked for before the other.
    """
    if [mode for _, mode in query(connection, "SHOW GLOBAL VARIABLES LIKE 'gtid_mode'")] != ["ON"]:
        return ""
    ((owned,),) = query(connection, "SELECT @@global.gtid_owned")
    without_threads = re.sub(r"#\d+", "", owned or "")
    ((executed,),) = query(connection, "SELECT @@global.gtid_executed")
    return str(GtidSet(without_threads).union(GtidSet(executed)))


def read_gtid_purged(connection: Connection) -> str:
    """What MySQL has executed and has in no binlog file any more, in canonical text."""
    ((text,),) = query(connection, "SELECT @@global.gtid_purged")
    return str(GtidSet(text))


def first_binlog(connection: Connection, base: str) -> str:
    """The oldest binlog file with this base name that the server still has. Raises KeyshiftError where it has none."""
    names = [str(row[0]) for row in query(connection, "SHOW BINARY LOGS")]
    found = next((name for name in names if not base or name.rpartition(".")[0] == base), "")
    if not found:
        raise KeyshiftError(f"the source lists no binlog file named {base}.*", "Switch on log_bin, and start again")
    return found
