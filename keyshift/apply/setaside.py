"""Setting a change aside: what can never be applied as it is goes to S3, and then into the control table.

Content first: an item never names an object that is not there. All of it may be done again, by whoever is handed the
record once more, after a death at any point: names are made of the change, its lane, and how often it was set aside.
So an object that is removed, because the matter is over, is no other one's.

Where very many are set aside, no row is bad but the keymap: then replay stops, as it does for an error.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from keymap.change import Change
from keymap.claims import Fetch, claim_of, packed, set_aside_folder
from keymap.errors import KeyshiftError
from keymap.wire import Header, decode_pack, encode_change
from keyshift.apply.refusals import Foreign, GateClosed, Poison
from keyshift.aws.stream import StreamRecord
from keyshift.control import setasides
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase
from keyshift.control.setasides import SetAside
from keyshift.control.store import Store
from keyshift.process.log import get_logger
from keyshift.process.stop import Stopped

_log = get_logger("apply")


class Aside(Protocol):
    """What the applier asks of it."""

    def keep(self, record: StreamRecord, poison: Mapping[str, Poison | Foreign]) -> None:
        """Set changes of a record aside, named by their versions, each with why it cannot be applied. Safe to repeat.

        Raises TooManySetAside, what S3 and the control table raise, and Stopped: then the record is not done.
        """

    def known(self) -> AbstractSet[tuple[str, int]]:
        """Version and lane of each change that was ever set aside."""


class Nowhere:
    """For whoever has no bucket: what cannot be applied stays on the stream, and what follows it waits."""

    def keep(self, record: StreamRecord, poison: Mapping[str, Poison | Foreign]) -> None:
        """Raise why the first of them cannot be applied."""
        del record
        raise poison[min(poison)]

    def known(self) -> AbstractSet[tuple[str, int]]:
        """None."""
        return frozenset()


NOWHERE: Final = Nowhere()


def set_aside(
    aside: Aside, record: StreamRecord, refused: Iterable[tuple[str, KeyshiftError | Stopped]], phase: Phase
) -> AbstractSet[str]:
    """Set changes of a record aside, each named by its version, with why it was refused; the versions.

    Raises the reason of one that may be applied yet, GateClosed past the gate, and what `keep` does: then the record is
    not done.
    """
    poison: dict[str, Poison | Foreign] = {}
    for version, error in refused:
        if not isinstance(error, Poison | Foreign):
            raise error
        poison[version] = error
    if poison and phase is Phase.CLOSED:
        raise GateClosed(min(poison))
    if poison:
        aside.keep(record, poison)
    return poison.keys()


class Objects(Protocol):
    """The bucket: keyshift.aws.claims.ClaimStore."""

    def keep(self, name: str, data: bytes) -> None:
        """Store an object."""


class TooManySetAside(KeyshiftError):
    """So many changes are set aside that another one is not: it stays on the stream, and its lane waits."""

    def __init__(self, count: int, cause: KeyshiftError) -> None:
        super().__init__(
            f"{count} changes are set aside, and apply.set_aside_max is no more: {cause.message}",
            "So many are no bad rows, but a keymap or a table that does not fit: `keyshift apply failures` lists them. "
            "Mend the cause, and run `keyshift apply redrive`; or raise apply.set_aside_max",
        )


class SettingAside:
    """Sets aside for one migration. `fetch` gives the changes of a record that lie in S3. For use by several threads.

    `most`: so many may be set aside at a time.
    """

    def __init__(self, store: Store, migration: Migration, objects: Objects, fetch: Fetch, most: int) -> None:
        self._store, self._objects, self._fetch, self._most = store, objects, fetch, most
        self._folder = set_aside_folder(migration.prefix, migration.id)

    def keep(self, record: StreamRecord, poison: Mapping[str, Poison | Foreign]) -> None:
        """As Aside says."""
        every = {(one.version, one.lane): one for one in setasides.read_all(self._store)}
        count = sum(one.is_open for one in every.values())
        header, changes = decode_pack(record.data, self._fetch)
        for change in changes:
            error = poison.get(change.version)
            found = every.get((change.version, header.lane))
            if error is None or (found and found.stands_for(error.kind)):
                continue
            if count >= self._most:
                raise TooManySetAside(count, error)
            self._keep(header, change, error, found.attempt + 1 if found else 1)
            count += 1

    def known(self) -> AbstractSet[tuple[str, int]]:
        """As Aside says."""
        return {(one.version, one.lane) for one in setasides.read_all(self._store)}

    def _keep(self, header: Header, change: Change, error: Poison | Foreign, attempt: int) -> None:
        line = encode_change(change)
        claim = claim_of(line, f"{change.version}-{header.lane}-{attempt}", self._folder)
        source = change.source
        one = SetAside(
            version=change.version,
            lane=header.lane,
            kind=error.kind,
            source=change.table,
            target=error.table,
            key=error.item,
            place=f"{source.file}:{source.pos}:{source.row}",
            digest=header.digest,
            reason=error.message,
            remedy=error.remedy,
            claim=claim,
            attempt=attempt,
            at_ms=self._store.now_ms,
        )
        self._objects.keep(claim.object, packed(line))
        setasides.record_open(self._store, one)
        _log.warning("set_aside", id=one.id, table=one.source, place=one.place, reason=one.reason)
