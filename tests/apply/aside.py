"""Setting aside into memory: the real code, over a control table and a bucket that are dictionaries."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keymap.claims import Claim, ClaimError, unfetched
from keyshift.apply.redrive import Redriver, chosen
from keyshift.apply.result import BatchResult
from keyshift.apply.setaside import SettingAside
from keyshift.apply.stream import StreamApplier
from keyshift.aws.stream import StreamRecord
from keyshift.control.lease import REDRIVE, Lease
from keyshift.control.migration import Migration, create, load
from keyshift.control.phase import Phase
from keyshift.control.setasides import SetAside, read_all
from keyshift.control.store import PHASE, Store
from tests.apply.conftest import Shop
from tests.apply.history import migration_for, records
from tests.apply.test_convergence import Gate
from tests.control.memory import Memory


class Bucket(dict[str, bytes]):
    """As keyshift.aws.claims.ClaimStore."""

    def keep(self, name: str, data: bytes) -> None:
        self[name] = data

    def get(self, claim: Claim) -> bytes:  # type: ignore[override]
        if claim.object not in self:
            raise ClaimError(f"{claim.object} is not there", "Put it back")
        return self[claim.object]

    def delete(self, name: str) -> None:
        self.pop(name, None)


@dataclass
class Kept:
    """A shop, and what is set aside of it."""

    shop: Shop
    most: int = 100
    gate: Gate = field(default_factory=Gate)
    bucket: Bucket = field(default_factory=Bucket)
    client: Any = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.migration: Migration = migration_for(self.shop.keymap, bucket="bucket", prefix="keyshift")
        self.store = Store(self.client, "control", "shop", now_ms=lambda: 7, sleep=lambda _seconds: None)
        create(self.store, self.migration)
        self.store.swap(PHASE, self.store.get(PHASE), {"phase": Phase.REPLAY.value})

    def handled(self, *packs: bytes) -> BatchResult:
        return self.deliver(records(packs))

    def deliver(self, batch: Sequence[StreamRecord]) -> BatchResult:
        shop = self.shop
        aside = SettingAside(self.store, self.migration, self.bucket, unfetched, self.most)
        return StreamApplier(shop.writer(), shop.keymap, self.migration, self.gate, unfetched, aside).handle(batch)

    @property
    def every(self) -> list[SetAside]:
        return read_all(self.store)

    @property
    def states(self) -> list[str]:
        return [one.state.value for one in self.every]

    def redrive(self, *ids: str, wanted: Sequence[SetAside] | None = None) -> list[str]:
        """The states in which it ends, newest change first. `wanted`: chosen earlier."""
        wanted = chosen(self.every, ids) if wanted is None else wanted
        lease = Lease(self.store, REDRIVE, "test", 1000.0, time.monotonic)
        held = self.store.get(REDRIVE)
        if held:  # of one that was killed, and is over by now
            self.store.swap(REDRIVE, held, {"released": True})
        assert lease.try_acquire()
        shop = self.shop
        redriver = Redriver(
            self.store,
            load(self.store),
            shop.keymap,
            gate=lambda: self.gate.look().phase,
            writer=shop.writer(),
            objects=self.bucket,
            lease=lease,
        )
        try:
            return [one.state.value for one in redriver.run(wanted)]
        finally:
            lease.release()
