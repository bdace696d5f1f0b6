"""How a server's settings are changed: with SET GLOBAL where one runs it oneself, through Amazon's own door on RDS.

There, nobody may SET GLOBAL what the binlog is made of: settings live in a parameter group, of the instance (RDS) or of
the cluster (Aurora). Pure text over facts. The rules are those of the RDS and Aurora user guides: parameters and their
apply types, "Configuring MySQL binary logging", "Setting and showing binary log configuration".
"""

from typing import Final

from keyshift.mysql.facts import ServerFacts

_SESSIONS: Final = "Sessions that are open keep the old value"
_PERSIST: Final = f"and keep it in the server's configuration. {_SESSIONS}"
_GROUP: Final = "GROUP is a parameter group of your own: the default ones cannot be changed"
# Of the cluster, and read when the writer starts; all others may be set while it runs.
_AURORA_STATIC: Final = frozenset({"binlog_format"})
_AURORA_INSTANCE: Final = frozenset({"sync_binlog"})  # these are in the instance's group even there
_AURORA_FIXED: Final = frozenset({"innodb_flush_log_at_trx_commit"})


def set_variable(facts: ServerFacts, name: str, value: str | int) -> str:
    """What to run so that the global variable has this value, also after a restart."""
    if facts.platform == "own":
        return f"Run: SET GLOBAL {name} = {value if isinstance(value, int) else repr(value)}; {_PERSIST}"
    if facts.platform == "rds":
        return f"Run: {_modify('db', name, value, 'immediate')} ({_GROUP}). {_SESSIONS}"
    if name in _AURORA_FIXED:
        return f"Aurora lets nobody set {name}: ask AWS Support"
    if name in _AURORA_INSTANCE:
        return f"Run: {_modify('db', name, value, 'immediate')} ({_GROUP})"
    if name in _AURORA_STATIC:
        return f"Run: {_modify('db-cluster', name, value, 'pending-reboot')} ({_GROUP}), then {_REBOOT}"
    return f"Run: {_modify('db-cluster', name, value, 'immediate')} ({_GROUP}). {_SESSIONS}"


def switch_on_binlog(facts: ServerFacts) -> str:
    """What to do where log_bin is OFF. Both of Amazon's ways restart the server."""
    if facts.platform == "rds":  # it logs exactly as long as it makes backups
        return f"Switch on automated backups, which restarts it. Run: {_BACKUPS}"
    if facts.platform == "aurora":
        return set_variable(facts, "binlog_format", "ROW")
    return "Set log_bin in the server's configuration and restart it"


def log_replicated(facts: ServerFacts) -> str:
    """What to do where a replica does not log what it applies."""
    if facts.platform == "rds":
        return f"Switch on automated backups of the replica, which restarts it. Run: {_BACKUPS}"
    return "Set log_replica_updates (log_slave_updates) to ON and restart it"


def remove_filters(facts: ServerFacts) -> str:
    """What to do where binlog-do-db or binlog-ignore-db is set."""
    if facts.platform == "own":
        return "Remove binlog-do-db and binlog-ignore-db from its configuration and restart it"
    of = "db-cluster" if facts.platform == "aurora" else "db"
    names = ("binlog-do-db", "binlog-ignore-db")
    parameters = " ".join(f'"ParameterName={name},ApplyMethod=pending-reboot"' for name in names)
    reset = f"aws rds reset-{of}-parameter-group --{of}-parameter-group-name GROUP --parameters {parameters}"
    return f"Run: {reset}, then {_REBOOT}"


def keep_binlog(facts: ServerFacts, hours: int) -> str:
    """What to run so that binlog files are kept for so long."""
    if facts.platform == "own":
        return set_variable(facts, "binlog_expire_logs_seconds", hours * 3600)
    return f"Run: CALL mysql.rds_set_configuration('binlog retention hours', {hours})"


def retention_hours_max(facts: ServerFacts) -> int | None:
    """The most that the platform keeps; None: no limit that matters."""
    return {"own": None, "rds": 168, "aurora": 2160}[facts.platform]


def _modify(of: str, name: str, value: str | int, apply: str) -> str:
    parameter = f'"ParameterName={name},ParameterValue={value},ApplyMethod={apply}"'
    return f"aws rds modify-{of}-parameter-group --{of}-parameter-group-name GROUP --parameters {parameter}"


_BACKUPS: Final = (
    "aws rds modify-db-instance --db-instance-identifier INSTANCE --backup-retention-period 7 --apply-immediately"
)
_REBOOT: Final = "aws rds reboot-db-instance --db-instance-identifier WRITER"
