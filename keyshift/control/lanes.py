"""How far each lane is applied: the version of the newest change of which, and of all before it, the items are written.

A record names the version that it follows in its lane, so whoever knows this sees a gap. Consumers raise a lane after
what they tell is written, and only upwards: a batch that is delivered again, or by a consumer that was slow, sets none
back. So one that was killed in between has told too little, and what is delivered again closes that.

Lanes stand in groups of 16, an attribute each, in items below one kilobyte, by which DynamoDB bills a write. Their
names begin with that of the phase: one query tells both.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from keyshift.control.record import AtMost, Record
from keyshift.control.store import PHASE, Conflict, Store

LANES_PREFIX: Final = f"{PHASE}#lanes#"
GROUP_LANES: Final = 16
_NAME: Final = "lane"
_ATTEMPTS_MAX: Final = 20  # each is another consumer that has raised one of the lanes: there are as few of these


def applied_of(records: Iterable[Record]) -> dict[int, str]:
    """The version up to which each lane is applied, by lane, of items named LANES_PREFIX; others are passed over."""
    return {
        int(name.removeprefix(_NAME)): record.text(name)
        for record in records
        if record.item.startswith(LANES_PREFIX)
        for name in record.attributes
        if name.startswith(_NAME)
    }


def raise_applied(store: Store, lanes: Mapping[int, str], before: Mapping[int, str]) -> None:
    """Record that these lanes are applied up to these versions; `before` is what was read of them.

    Safe to repeat, and late. Raises Conflict where others never cease to raise the same lanes.
    """
    newer = _newer(lanes, before)
    for group in sorted({lane // GROUP_LANES for lane in newer}):
        some = {lane: version for lane, version in newer.items() if lane // GROUP_LANES == group}
        _raise_group(store, f"{LANES_PREFIX}{group:03d}", some)


def _raise_group(store: Store, item: str, lanes: Mapping[int, str]) -> None:
    for _ in range(_ATTEMPTS_MAX):
        if not lanes:
            return
        versions = {f"{_NAME}{lane}": version for lane, version in lanes.items()}
        try:
            store.update(item, versions, {name: AtMost(version) for name, version in versions.items()})
        except Conflict:  # some are newer, perhaps by this very write, whose answer was lost: the others are left
            record = store.get(item)
            lanes = _newer(lanes, applied_of([record] if record else []))
        else:
            return
    raise Conflict(item)


def _newer(lanes: Mapping[int, str], before: Mapping[int, str]) -> dict[int, str]:
    return {lane: version for lane, version in lanes.items() if version > before.get(lane, "")}
