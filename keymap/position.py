"""Where in the binlog: a file and offset, and MySQL's executed GTID set where the server keeps one."""

from dataclasses import dataclass, field
from functools import lru_cache

from keymap.gtid import GtidSet


@lru_cache(maxsize=100)  # asked several times for each transaction, of the file that is being read
def file_number(file: str) -> int:
    """The number in a binlog file's name: ``binlog.000042`` is 42. Raises ValueError on another form."""
    _, _, number = file.rpartition(".")
    return int(number)


@dataclass(frozen=True, slots=True)
class Position:
    """`file` and `offset` (bytes) of the next event to read; `gtid_set` is "" on MariaDB and without GTIDs.

    `fingerprint` tells the file from another of the same name (keyshift.binlog.fingerprint), "" where it is not known.
    It says nothing of where, so two positions are equal whatever theirs are.
    """

    file: str
    offset: int
    gtid_set: str = ""
    fingerprint: str = field(default="", compare=False)

    def contains(self, other: "Position") -> bool:
        """Whether all that was committed before `other` was committed before this one, on the same server.

        By GTID set where both have one: a server reports its position and its set at slightly different moments
        (design, "Capture starts"), and the set is the one that is right. Otherwise by file and offset.
        """
        if self.gtid_set and other.gtid_set:
            return GtidSet(self.gtid_set).contains(GtidSet(other.gtid_set))
        return (file_number(self.file), self.offset) >= (file_number(other.file), other.offset)
