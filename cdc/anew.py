"""Tables that are to be loaded again from where this run begins: in an epoch of its own. Under the lease.

Where the tables' changes behind the checkpoint are all there, capture goes on as it was left, in a raised epoch. Where
they are lost (the binlog was purged, the server has lost transactions), it begins at what the source is now, and all
tables are loaded again. Either way every change from here on is newer than all before, and so are the rows that will be
read. The order of writes is that of cdc/resume: the epoch, the reloads, what the tables look like, the checkpoint, and
last that the wish was begun; nothing is sent before. Whoever is killed in between begins again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from cdc.keeper import Origin
from cdc.resume import Resumed, Resumption, left_in
from cdc.soundings import Ahead
from cdc.starting import chosen_start
from keymap.schema import Shape, digest
from keyshift.control import barrier
from keyshift.control.checkpoint import CaptureStatus, mark_ahead, record_schemas, save_checkpoint
from keyshift.control.epoch import raise_epoch
from keyshift.control.migration import require_digest
from keyshift.control.reloads import Reload, begin_reload, floor_of_epoch
from keyshift.control.shapes import Since, begin_history, place, read_histories
from keyshift.control.wanted import Wanted, mark_begun, pending_wish
from keyshift.mysql.facts import ServerFacts
from keyshift.process.clock import now_ms
from keyshift.process.log import get_logger

_log = get_logger("cdc")
GoOn = Callable[[], Resumed]


def begin_wish(
    resumption: Resumption, facts: ServerFacts, shapes: Mapping[str, Shape], status: CaptureStatus, go_on: GoOn
) -> Resumed | None:
    """Begin what is wanted, and say where capture goes on; None where nothing is. `go_on` goes on as it was left."""
    found: Resumed | None = None
    while (wanted := pending_wish(resumption.lease.store)) is not None:
        if wanted.keymap:
            require_digest(replace(resumption.migration, digest=wanted.keymap), resumption.migration.digest)
        epoch = raise_epoch(resumption.lease)
        tables = resumption.migration.tables if wanted.anew else wanted.tables
        _begin_reloads(resumption, tables, wanted, epoch)
        if wanted.anew:
            found = _begun_anew(resumption, facts, shapes, status, epoch)
        else:
            found = go_on()
            _begin_histories(resumption, shapes, found)
        if mark_begun(resumption.lease, wanted, epoch):
            _log.warning("reload_begun", tables=tables, epoch=epoch, anew=wanted.anew)
    return found


def _begin_reloads(resumption: Resumption, tables: Iterable[str], wanted: Wanted, epoch: int) -> None:
    for table in tables:
        reload = Reload(table, floor_of_epoch(epoch), wanted.what, wanted.reason, wanted.keymaps)
        begin_reload(resumption.lease.store, reload, resumption.lease)


def _begin_histories(resumption: Resumption, shapes: Mapping[str, Shape], found: Resumed) -> None:
    """What tables that were not captured before look like."""
    known = read_histories(resumption.lease.store, shapes)
    at = place(found.epoch, found.progress.position)
    for table in shapes.keys() - known.keys():
        begin_history(resumption.lease.store, table, Since(at, shapes[table]), resumption.lease)


def _begun_anew(
    resumption: Resumption, facts: ServerFacts, shapes: Mapping[str, Shape], status: CaptureStatus, epoch: int
) -> Resumed:
    lease, (_, progress) = resumption.lease, left_in(status)
    start = chosen_start(resumption, facts)
    for table, shape in shapes.items():
        begin_history(lease.store, table, Since(place(epoch, start), shape), lease)
    record_schemas(lease, digest({table: shape.schema for table, shape in shapes.items()}))
    ahead = Ahead(mark_ahead(lease, now_ms()))
    progress = replace(progress, position=start, ahead_since_ms=ahead.since_ms)
    save_checkpoint(lease, Origin(facts.identity, epoch).checkpoint(progress))
    barrier.move(lease.store, start)
    _log.info("capture_begins_anew", position=f"{start.file}:{start.offset}", gtid_set=start.gtid_set, epoch=epoch)
    return Resumed(progress, facts.identity, facts.gtid, epoch, ahead, saved=True)
