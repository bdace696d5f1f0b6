"""What SHOW GRANTS says, as far as the rules need it: which privileges the user has on the whole server."""

import re
from collections.abc import Iterable

_GLOBAL = re.compile(r"GRANT (?P<privileges>.+?) ON \*\.\* TO ", re.DOTALL)
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


def has(privileges: frozenset[str], *any_of: str) -> bool:
    """Whether one of these privileges is among them. SUPER is not taken for another: the servers do not either."""
    return bool(privileges & {"ALL", *any_of})
