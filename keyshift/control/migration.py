"""A migration: a name, and one run of it; what `keyshift init` fixed, and what it created.

Tables, lanes, stream and the keymap's digest are fixed for the run, because packs, items and the bulk load's files all
depend on them. A second run of one name has another id and is another migration (docs/decisions/0002). A changed keymap
is adopted as a step of its own, of which the run remembers from which one, and which tables it changed (0022).
"""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from keymap.errors import KeyshiftError
from keymap.wire import dumps, loads
from keyshift.control.lease import Lease
from keyshift.control.phase import initial_phase
from keyshift.control.record import Changes, Record
from keyshift.control.revise import revise
from keyshift.control.store import HEAD, PHASE, Conflict, NotInitialised, Store

__all__ = [
    "Migration",
    "NotInitialised",
    "Resource",
    "create",
    "draw_id",
    "forget",
    "load",
    "record_created",
    "require_digest",
]

FIRST_EPOCH = 1


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that `keyshift init` created, and `destroy` therefore removes."""

    kind: str  # "stream", "table", "bucket" or "control_table"
    name: str


@dataclass(frozen=True, slots=True)
class FormerDigest:
    """A keymap that the migration had, and the tables whose rules the one after it changed or added."""

    digest: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """One run of a migration. `tables` are the captured ones, "db.table"; `created_at_ms` is for people.

    `former` are the keymaps that it had before, oldest first. `adopting`: the adoption of this one is not finished.
    """

    name: str
    id: str
    tables: tuple[str, ...]
    lanes: int
    digest: str
    stream: str
    bucket: str
    prefix: str
    created_at_ms: int = 0
    epoch: int = FIRST_EPOCH
    created: tuple[Resource, ...] = ()
    former: tuple[FormerDigest, ...] = ()
    adopting: bool = False

    def changed_since(self, digest: str) -> frozenset[str] | None:
        """The tables whose rules are others than in a former keymap; None for one that it never had."""
        at = [index for index, one in enumerate(self.former) if one.digest == digest]
        if digest == self.digest:
            return frozenset()
        return frozenset(table for one in self.former[at[-1] :] for table in one.changed) if at else None


def draw_id(name: str, token_hex: Callable[[int], str] = secrets.token_hex) -> str:
    """The id of a new run: the name, a dot, and 8 random hexadecimal digits."""
    return f"{name}.{token_hex(4)}"


def create(store: Store, migration: Migration) -> Migration:
    """Record a new run, or return the one that is recorded under this name, whoever was first.

    `migration.created` is not recorded (record_created does). Raises KeyshiftError where the recorded run differs in
    what is fixed (tables, lanes, digest, stream, bucket, prefix), with all differences.
    """
    if migration.name != store.name:
        raise ValueError(f"the store is migration {store.name}'s, not {migration.name}'s")
    if store.head() is None:
        with contextlib.suppress(Conflict):  # another init was first: ours is right only if it agrees with that one
            store.create(migration.id, {HEAD: _head(migration), PHASE: initial_phase(migration.epoch)})
    existing = load(store)
    _require_same(existing, migration)
    return existing


def load(store: Store) -> Migration:
    """The run that is recorded under the store's name. Raises NotInitialised.

    While a `keyshift destroy` is under way (or was killed) the epoch is 0, and nothing but destroy will work.
    """
    head, phase = store.require_head(), store.get(PHASE)
    return _migration(store.name, head, epoch=phase.number("epoch") if phase else 0)


def require_digest(migration: Migration, digest: str) -> None:
    """Raise KeyshiftError unless a process with the keymap of this digest may take part (design, "Migration")."""
    if migration.digest != digest:
        raise KeyshiftError(
            f"migration {migration.name} was initialised with keymap {migration.digest[:12]}, "
            f"and this process has keymap {digest[:12]}",
            "Give this process the keymap of the migration; a changed one is adopted with `keyshift keymap adopt`",
        )


def require_adopted(migration: Migration) -> None:
    """Raise KeyshiftError where the adoption of the keymap is not finished: what it changes is not wanted yet."""
    if migration.adopting:
        message = f"the adoption of keymap {migration.digest[:12]} is not finished"
        raise KeyshiftError(message, "Run `keyshift keymap adopt` again")


def adopt(store: Store, migration: Migration, digest: str, tables: tuple[str, ...], changed: tuple[str, ...]) -> None:
    """Let the migration have another keymap, with these tables, of which these are changed or new.

    `adopted` ends it, when it is recorded what follows. Safe to repeat. Raises NotInitialised, and KeyshiftError where
    it has another keymap meanwhile.
    """
    entry = dumps({"digest": migration.digest, "changed": changed}).decode()

    def adopting(head: Record) -> Changes | None:
        if head.text("digest") == digest and entry in head.texts("former"):
            return None
        if head.text("digest") != migration.digest:
            raise KeyshiftError("the migration has got another keymap meanwhile", "Run the command again")
        return {"digest": digest, "tables": tables, "former": (*head.texts("former"), entry), "adopting": True}

    _revise_head(store, adopting)


def show_digest(store: Store, digest: str) -> None:
    """Let every batch that begins from now on see which keymap the migration has. Safe to repeat."""

    def shown(phase: Record | None) -> Changes | None:
        return None if phase is None or phase.text("digest") == digest else {"digest": digest}

    revise(store, PHASE, shown)


def adopted(store: Store) -> None:
    """The adoption is finished. Safe to repeat."""
    _revise_head(store, lambda head: {"adopting": None} if head.flag("adopting") else None)


def record_created(store: Store, resource: Resource, lease: Lease | None = None) -> None:
    """Remember that we created it. Safe to repeat, and beside another init. Raises NotInitialised.

    Where a lease is given, it is written only while that is held, and LeaseLost is raised otherwise.
    """
    entry = f"{resource.kind}:{resource.name}"

    def remembered(head: Record) -> Changes | None:
        created = head.texts("created")
        return None if entry in created else {"created": (*created, entry)}

    _revise_head(store, remembered, lease)


def forget_created(store: Store, resource: Resource, lease: Lease | None = None) -> None:
    """Take back that we created it: somebody else did, between our look and our call. As record_created."""
    entry = f"{resource.kind}:{resource.name}"

    def without(head: Record) -> Changes | None:
        created = head.texts("created")
        return {"created": tuple(one for one in created if one != entry)} if entry in created else None

    _revise_head(store, without, lease)


def give_away(store: Store, kind: str) -> None:
    """Forget that we created resources of a kind: somebody else depends on them now. Safe to repeat."""

    def without(head: Record) -> Changes | None:
        kept = tuple(entry for entry in head.texts("created") if not entry.startswith(f"{kind}:"))
        return None if kept == head.texts("created") else {"created": kept}

    _revise_head(store, without)


def forget(store: Store) -> None:
    """Remove everything that the control table holds of the run. Safe to repeat; processes of the run stop by it."""
    store.purge()


def _revise_head(store: Store, decide: Callable[[Record], Changes | None], lease: Lease | None = None) -> None:
    """Revise the item that names the run. Raises NotInitialised."""
    revise(store, HEAD, lambda head: decide(head or store.require_head()), lease=lease)


def _head(migration: Migration) -> Changes:
    return {
        "id": migration.id,
        "tables": migration.tables,
        "lanes": migration.lanes,
        "digest": migration.digest,
        "stream": migration.stream,
        "bucket": migration.bucket,
        "prefix": migration.prefix,
        "created_at_ms": migration.created_at_ms,
    }


def _migration(name: str, head: Record, epoch: int) -> Migration:
    pairs = (entry.partition(":") for entry in head.texts("created"))
    return Migration(
        name=name,
        id=head.text("id"),
        tables=head.texts("tables"),
        lanes=head.number("lanes"),
        digest=head.text("digest"),
        stream=head.text("stream"),
        bucket=head.text("bucket"),
        prefix=head.text("prefix"),
        created_at_ms=head.number("created_at_ms"),
        epoch=epoch,
        created=tuple(Resource(kind, resource) for kind, _, resource in pairs),
        former=tuple(map(_former, head.texts("former"))),
        adopting=head.flag("adopting"),
    )


def _former(entry: str) -> FormerDigest:
    fields = loads(entry)
    return FormerDigest(fields["digest"], tuple(fields["changed"]))


def _require_same(existing: Migration, wanted: Migration) -> None:
    """Compare what a run fixes; its id, its creation and what was created are its own."""
    same = replace(wanted, id=existing.id, created_at_ms=existing.created_at_ms, created=existing.created)
    differences = [
        f"{name} {_show(getattr(existing, name))}, now {_show(getattr(same, name))}"
        for name in ("tables", "lanes", "digest", "stream", "bucket", "prefix")
        if _comparable(getattr(existing, name)) != _comparable(getattr(same, name))
    ]
    if differences:
        raise KeyshiftError(
            f"migration {existing.name} is already initialised with {'; '.join(differences)}",
            "Go back to those settings, choose another `migration` name, or `keyshift destroy` this one; a changed "
            "keymap is adopted with `keyshift keymap adopt`",
        )


def _comparable(value: object) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def _show(value: object) -> str:
    return ", ".join(sorted(value)) if isinstance(value, tuple) else str(value)
