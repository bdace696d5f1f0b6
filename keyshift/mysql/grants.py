"""What SHOW GRANTS says, as far as the rules need it: which privileges the user has on the server, or on a database."""

import re
from collections.abc import Iterable

_GLOBAL = re.compile(r"GRANT (?P<privileges>.+?) ON \*\.\* TO ", re.DOTALL)
_DATABASE = re.compile(r"GRANT (?P<privileges>.+?) ON `(?P<database>(?:[^`]|``)+)`\.\* TO ", re.DOTALL)
_RENAMED = {"REPLICATION CLIENT": "BINLOG MONITOR"}  # MariaDB 10.5 shows the new name; an old grant means both


def global_privileges(grants: Iterable[str]) -> frozenset[str]:
    """The global privileges in a user's grants, in upper case; "ALL" stands for every one of them."""
    found: set[str] = set()
    for grant in grants:
        if match := _GLOBAL.match(grant):
            found.update(name.strip().upper() for name in match["privileges"].split(","))
    if found & {"ALL", "ALL PRIVILEGES"}:
        found.add("ALL")
    return frozenset(found | {_RENAMED[name] for name in found & _RENAMED.keys()})


def database_privileges(grants: Iterable[str], database: str) -> frozenset[str]:
    """The privileges on all of a database, in upper case, those on the whole server included."""
    grants = tuple(grants)
    found: set[str] = set()
    for grant in grants:
        if (match := _DATABASE.match(grant)) and _pattern(match["database"]).fullmatch(database):
            found.update(name.strip().upper() for name in match["privileges"].split(","))
    if found & {"ALL", "ALL PRIVILEGES"}:
        found.add("ALL")
    return global_privileges(grants) | found


def _pattern(database: str) -> re.Pattern[str]:
    """A grant's database is a pattern of LIKE, in which a backslash makes _ and % themselves."""
    parts = re.findall(r"\\?.", database.replace("``", "`"), re.DOTALL)
    return re.compile("".join({"_": ".", "%": ".*"}.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


def has(privileges: frozenset[str], *any_of: str) -> bool:
    """Whether one of these privileges is among them. SUPER is not taken for another: the servers do not either."""
    return bool(privileges & {"ALL", *any_of})
