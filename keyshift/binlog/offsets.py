"""Where in the binlog we are, beyond the 32 bits that events carry."""

from typing import Final

from keyshift.binlog.packets import Header

_WRAP: Final = 1 << 32


class Offsets:
    """The end of the last event, kept over 4 GiB: one huge transaction makes a file of more.

    Not every byte of a file is sent (what a GTID set contains is skipped), so the position is moved forward to the next
    one that agrees in its lower 32 bits. `resumed` is a position, of our own making, up to which the file is known to
    be skipped; without it a skip over 4 GiB or more would go unnoticed.
    """

    def __init__(self, file: str, offset: int, *, resumed: tuple[str, int] = ("", 0)) -> None:
        self.file, self.end = file, offset
        self._resumed = resumed

    def rotated(self, file: str, offset: int) -> None:
        """Reading goes on at `offset` of `file`."""
        resumed_file, resumed_offset = self._resumed
        skipped = file == resumed_file and offset <= resumed_offset and resumed_offset > _WRAP
        self.file, self.end = file, resumed_offset if skipped else offset

    def passed(self, event: Header) -> int:
        """Move behind an event; gives the offset at which it began. An event that lies in no file moves nothing."""
        return self.moved(event.size, event.log_pos)

    def moved(self, size: int, log_pos: int) -> int:
        """The same, of two numbers of its header."""
        if log_pos == 0:
            return self.end
        self.end += (log_pos - self.end) % _WRAP
        return self.end - size

    def reached(self, file: str, log_pos: int) -> None:
        """The source waits at this position: what lies before it and was not sent, will not come.

        Of positions beyond 32 bits (a heartbeat of the second version has them) the lower 32 suffice.
        """
        ahead = (log_pos - self.end) % _WRAP
        if file == self.file and ahead < _WRAP // 2:  # else it is about a position that we have passed
            self.end += ahead
