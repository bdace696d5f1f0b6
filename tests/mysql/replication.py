"""One server that follows another, as late as a test wants."""

from keyshift.cli.demo.database import Database
from tests.mysql.sources import execute


def replicate(source: Database, replica: Database) -> None:
    """Let `replica` follow `source`, from its binlog's beginning. Both have the same root password (two_servers)."""
    place = f"HOST='{source.host}', {{0}}_PORT={source.port}, {{0}}_USER='{source.user}'"
    place += f", {{0}}_PASSWORD='{source.password}'"
    if source.flavour == "mysql":
        options = place.format("SOURCE") + ", SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
        execute(replica, f"CHANGE REPLICATION SOURCE TO SOURCE_{options}", "START REPLICA")
    else:
        options = place.format("MASTER") + ", MASTER_USE_GTID=slave_pos"
        execute(replica, f"CHANGE MASTER TO MASTER_{options}", "START SLAVE")


def delay(replica: Database, seconds: int) -> None:
    """Let it apply changes only when they are that old."""
    if replica.flavour == "mysql":
        change = f"CHANGE REPLICATION SOURCE TO SOURCE_DELAY={seconds}"
        execute(replica, "STOP REPLICA SQL_THREAD", change, "START REPLICA SQL_THREAD")
    else:
        execute(replica, "STOP SLAVE", f"CHANGE MASTER TO MASTER_DELAY={seconds}", "START SLAVE")
