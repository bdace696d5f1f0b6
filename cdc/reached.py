"""How far the binlog was read, in whole transactions: a position that only ever moves forward.

It says which file it is in by what the file's own header says, and so shows where another file has that name now.
"""

from cdc.continuity import Change, SourceChanged
from cdc.events import Place
from keymap.gtid import GtidSet
from keymap.position import Position, file_number


class Reached:
    """Begins at `start`. `gtids`: the source has MySQL's GTIDs, so that `start.gtid_set` is complete, even if empty."""

    def __init__(self, start: Position, *, gtids: bool) -> None:
        self._start = start
        self._file, self._end, self._fingerprint = start.file, start.offset, start.fingerprint
        self._read_file = ""  # the file that is read on this connection, and what its first events say that it is
        self._header = ""
        self._is_begun = False  # events of its header have come, and nothing behind them
        self._gtids = GtidSet(start.gtid_set) if gtids else None
        self._gtid_text = start.gtid_set

    @property
    def position(self) -> Position:
        """Behind the last complete transaction."""
        if self._gtids is not None and not self._gtid_text:
            self._gtid_text = str(self._gtids)
        return Position(self._file, self._end, self._gtid_text, self._fingerprint)

    def is_known(self, place: Place) -> bool:
        """Whether `start` contains it: without GTIDs a file of over 4 GiB is read from its beginning again."""
        return self._gtids is None and place.file == self._start.file and place.end <= self._start.offset

    def enter(self, file: str) -> None:
        """Reading goes on in this file. Nothing moves there before its header has said which file it is.

        Versions order by the file's number, so the files must be of one series, and follow each other: raises
        SourceChanged where they do not.
        """
        if file.rpartition(".")[0] != self._start.file.rpartition(".")[0]:
            raise SourceChanged(Change.NUMBERING, self.position)
        if self._read_file and file_number(file) < file_number(self._read_file):
            raise SourceChanged(Change.FILE)
        self._read_file, self._header, self._is_begun = file, "", False

    def read_header(self, fingerprint: str) -> None:
        """The file's header says, as far as it was read, that the file is this one."""
        self._header, self._is_begun = fingerprint, True

    def move(self, file: str, end: int, gtid: str = "") -> None:
        """Everything up to there is complete, with the transaction `gtid`.

        Forward only: with GTIDs the source begins at the start of a file, and skips what we have. Raises SourceChanged
        where the header is of another file than the one that was left.
        """
        if self._is_begun:
            self._is_begun = False
            if file == self._start.file and self._start.fingerprint not in {"", self._header}:
                raise SourceChanged(Change.FILE)
        if file == self._file:
            if end > self._end:
                self._end, self._fingerprint = end, self._header or self._fingerprint
        elif file_number(file) > file_number(self._file):
            self._file, self._end, self._fingerprint = file, end, self._header
        if gtid and self._gtids is not None:
            self._gtids.add(gtid)
            self._gtid_text = ""
