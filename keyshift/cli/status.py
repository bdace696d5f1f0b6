"""`keyshift status`: where the migration stands, as the control table knows it, and what comes next."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import click

from keyshift.apply.gaps import REMEDY, summary
from keyshift.cli import importing, show
from keyshift.cli.silence import last_heard, silent_seconds
from keyshift.cli.wiring import Wiring, pass_wiring
from keyshift.control import shards
from keyshift.control.checkpoint import CaptureStatus, read_capture
from keyshift.control.gaps import LaneGap, read_gaps
from keyshift.control.halts import Halt, read_accepted, read_stop, undecided
from keyshift.control.migration import Migration
from keyshift.control.phase import Phase, read_phase
from keyshift.control.progress import Progress, progress
from keyshift.control.setasides import count_open
from keyshift.control.shards import ShardState
from keyshift.control.store import Store
from keyshift.control.workers import Worker, read_seats
from keyshift.process.clock import now_ms


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@pass_wiring
def status(wiring: Wiring, *, as_json: bool) -> None:
    """Show phase, capture, bulk load and replay, and what comes next."""
    migration, store = wiring.migration, wiring.store
    phase, capture, load = read_phase(store), read_capture(store), progress(store, migration.tables)
    decisions, imports, set_aside = decisions_document(store), importing.standings(wiring), count_open(store)
    gaps, now = read_gaps(store), now_ms()
    applied = _apply(store, migration.stream, now)
    answer = {
        "migration": _migration(migration),
        "phase": phase.value,
        "capture": capture_document(capture, now),
        "bulkload": load_document(load),
        "imports": importing.document(imports),
        "apply": applied,
        "set_aside": set_aside,
        "gaps": [asdict(one) for one in gaps],
        **decisions,
        "next": _in_the_way(decisions, gaps, load)
        or (_MEND if set_aside else "") + next_step(phase, capture, load, applied, now),
    }
    if as_json:
        show.as_json(answer)
    else:
        _tell(answer, imports, gaps)


def _migration(migration: Migration) -> dict[str, Any]:
    fields = asdict(migration)
    return fields | {"created": [f"{one.kind} {one.name}" for one in migration.created]}


def capture_document(capture: CaptureStatus, now: int) -> dict[str, Any]:
    """Capture as JSON; `now` is the wall clock in ms. Ages compare two hosts' clocks and are for people only.

    `running`: the daemon holds its lease, and renews it, as far as these clocks tell; else `silent_seconds` is above 0.
    """
    checkpoint = capture.checkpoint
    place = checkpoint.position if checkpoint else None
    return {
        "started": capture.started,
        "running": bool(capture.fence) and not capture.released and not _silent_seconds(capture, now),
        "silent_seconds": _silent_seconds(capture, now),
        "owner": capture.owner,
        "seconds_since_update": round((now - capture.updated_at_ms) / 1000, 1) if capture.updated_at_ms else None,
        "server": capture.server,
        "position": f"{place.file}:{place.offset}" if place else None,
        "gtid_set": place.gtid_set if place else "",
        "changes": checkpoint.changes if checkpoint else 0,
        "last_version": checkpoint.last_version if checkpoint else "",
    }


def _silent_seconds(capture: CaptureStatus, now: int) -> int:
    if not capture.fence or capture.released:
        return 0
    return silent_seconds(capture.updated_at_ms, capture.lease_seconds, now)


_MEND = "`keyshift apply failures` shows what is set aside: mend it, `keyshift apply redrive`; "


def _in_the_way(decisions: dict[str, Any], gaps: Sequence[LaneGap], load: Progress) -> str:
    """What must be done before anything else goes on, "" for nothing."""
    if decisions["stopped_at"]:
        return str(decisions["stopped_at"]["do"])
    # Once all tables are to be loaded again, what is missing is void, or will be.
    return REMEDY if gaps and len(load.unfinished) < len(load.tables) else ""


def decisions_document(store: Store) -> dict[str, Any]:
    """The statement that capture stopped at and that nobody has decided about, and those that were accepted."""
    accepted = sorted(read_accepted(store), key=lambda one: (one.halt.epoch, one.halt.file, one.halt.offset))
    halt = undecided(read_stop(store), accepted)
    return {
        "stopped_at": _halt(halt) | {"do": halt.remedy} if halt else None,
        "accepted": [{**_halt(one.halt), "reason": one.reason} for one in accepted if not one.reload],
        "reloaded": [{**_halt(one.halt), "reason": one.reason} for one in accepted if one.reload],
    }


def _halt(halt: Halt) -> dict[str, Any]:
    return {"position": halt.place, "tables": list(halt.tables), "what": halt.what}


def tell_decisions(answer: dict[str, Any]) -> None:
    """The same as text."""
    halt = answer["stopped_at"]
    if halt:
        click.echo(f"stopped    at {halt['position']}, {', '.join(halt['tables'])}: {halt['what']}")
    for one in answer["accepted"]:
        click.echo(f"accepted   {one['position']}, {', '.join(one['tables'])}: {one['what']} ({one['reason']})")
    for one in answer["reloaded"]:
        click.echo(f"reload     {one['position']}, {', '.join(one['tables'])}: {one['what']} ({one['reason']})")


def load_document(load: Progress) -> dict[str, Any]:
    """The bulk load as JSON."""
    tables = [asdict(table) | {"complete": table.complete} for table in load.tables]
    totals = {"total": load.total, "dumped": load.dumped, "loaded": load.loaded}
    rows = {"rows_dumped": load.rows_dumped, "rows_loaded": load.rows_loaded, "rejected": load.rejected}
    return {"complete": load.complete, **totals, **rows, "tables": tables}


def _apply(store: Store, stream: str, now: int) -> dict[str, Any]:
    """What the workers of `keyshift apply run` have done. A Lambda function tells CloudWatch instead."""
    states, seats = shards.read(store, stream).values(), [seat for seat in read_seats(store) if not seat.released]
    silent = {seat.worker: silent_seconds(seat.updated_at_ms, seat.lease_seconds, now) for seat in seats}
    alive = {worker for worker, seconds in silent.items() if not seconds}
    places = [state.checkpoint for state in states]
    return {
        "applied": sum(place.applied for place in places),
        "stale": sum(place.stale for place in places),
        "shards": {state.checkpoint.shard: _shard(state, alive, now) for state in states},
        "workers": [
            {
                "owner": seat.owner,
                "seconds_since_update": _seconds_since(seat.updated_at_ms, now),
                "silent_seconds": silent[seat.worker],
                "shards": sorted(state.checkpoint.shard for state in states if state.holder == seat.worker),
            }
            for seat in seats
        ],
    }


def _shard(state: ShardState, alive: Collection[Worker], now: int) -> dict[str, Any]:
    """`lag_seconds` is how far it was behind when it was last moved, `seconds_since_update` ago."""
    place = state.checkpoint
    return {
        "sequence": place.sequence,
        "closed": place.closed,
        "owner": state.owner if state.holder in alive else "",
        "lag_seconds": round(place.behind_ms / 1000, 1),
        "seconds_since_update": _seconds_since(state.record.at_ms, now) if state.record else None,
    }


def _seconds_since(at_ms: int, now: int) -> float:
    return round((now - at_ms) / 1000, 1)


def next_step(phase: Phase, capture: CaptureStatus, load: Progress, applied: dict[str, Any], now: int) -> str:
    """What an operator does next."""
    if capture.started and load.unfinished:
        return _next_of_reloads(capture, load, now)
    if not capture.started:
        return "start `keyshift cdc run` and leave it running"
    gone = _daemon_gone(capture, now)
    if phase is Phase.CLOSED:
        after = "run `keyshift cutover sweep`, switch the application, and later `keyshift destroy`"
        return f"{gone}; {after}" if gone else after
    if gone:
        return gone
    if phase is Phase.LOAD:
        return "run `keyshift bulkload run`" if not load.complete else "run `keyshift bulkload load`: it opens replay"
    return f"{_consumer(applied)}; `keyshift verify`; stop the application's writes; `keyshift cutover run`"


def _daemon_gone(capture: CaptureStatus, now: int) -> str:
    """That the daemon must be started again, "" where it need not."""
    if capture.released:
        return "`keyshift cdc run` has stopped: start it again"
    seconds = _silent_seconds(capture, now)
    return f"`keyshift cdc run` was {last_heard(seconds)}" if seconds else ""


def _consumer(applied: dict[str, Any]) -> str:
    """What is to be done for changes to be applied. Whoever is still there takes the shards of one that is silent."""
    silences = [worker["silent_seconds"] for worker in applied["workers"]]
    if silences and all(silences):
        return f"`keyshift apply run` was {last_heard(min(silences))}"
    return "start `keyshift apply run` or the Lambda function"


def _next_of_reloads(capture: CaptureStatus, load: Progress, now: int) -> str:
    if load.wanted:
        names = ", ".join(load.wanted)
        return f"restart `keyshift cdc run`, with the keymap of now: it begins to load {names} again"
    if gone := _daemon_gone(capture, now):
        return gone
    return f"run `keyshift bulkload run`: {', '.join(load.unfinished)} is loaded again"


def _tell(answer: dict[str, Any], imports: list[importing.Standing], gaps: Sequence[LaneGap]) -> None:
    migration, capture, load, applied = (answer[name] for name in ("migration", "capture", "bulkload", "apply"))
    click.echo(f"migration  {migration['name']} ({migration['id']}), epoch {migration['epoch']}")
    click.echo(f"phase      {answer['phase']}")
    click.echo(f"capture    {capture_line(capture)}")
    click.echo(f"bulk load  {load['loaded']:,} of {load['total']:,} chunks loaded, {load['rows_loaded']:,} rows")
    importing.tell(imports)
    click.echo(
        f"replay     {applied['applied']:,} changes applied by `keyshift apply run`, {applied['stale']:,} slots stale"
    )
    for worker in applied["workers"]:
        click.echo(f"worker     {_worker_line(worker, applied['shards'])}")
    if gaps:
        click.echo(f"gap        {summary(gaps)}")
    if answer["set_aside"]:
        click.echo(f"set aside  {answer['set_aside']:,} changes: `keyshift apply failures` lists them")
    tell_decisions(answer)
    click.echo(f"next       {answer['next']}")


def capture_line(capture: dict[str, Any]) -> str:
    """Capture in one line."""
    if not capture["owner"]:
        return "has not run yet"
    silent = capture["silent_seconds"]
    state = "running" if capture["running"] else "silent" if silent else "stopped"
    age = f", last heard of {capture['seconds_since_update']:.0f} s ago" if capture["seconds_since_update"] else ""
    if silent:
        age = f", {last_heard(silent)}"
    place = (
        f"at {capture['position']}, {capture['changes']:,} changes" if capture["position"] else "nothing captured yet"
    )
    return f"{state} ({capture['owner']}{age}), {place}"


def _worker_line(worker: dict[str, Any], shards_by_id: dict[str, Any]) -> str:
    """A worker and its shards in one line."""
    if worker["silent_seconds"]:
        return f"{worker['owner']}, {last_heard(worker['silent_seconds'])}"
    lag = max((shards_by_id[shard]["lag_seconds"] for shard in worker["shards"]), default=0)
    heard = f"{worker['owner']}, last heard of {worker['seconds_since_update']:.0f} s ago"
    if not worker["shards"]:
        return f"{heard}, reads no shard"
    return f"{heard}, reads {', '.join(worker['shards'])}, {lag:,.1f} s behind at most when they last moved"
