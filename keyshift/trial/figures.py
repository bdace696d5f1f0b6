"""From sums to the figures of a target: scaled where tables were sampled, named, and priced."""

from collections.abc import Mapping, Sequence

from keymap.capacity import ON_DEMAND, stored_bytes, units_a_second
from keymap.targets import Index, Target
from keyshift.trial.mapping import PlacedRule
from keyshift.trial.partition_sums import PartitionTotals
from keyshift.trial.report import Bucket, Group, HotKey, IndexReport, TargetReport
from keyshift.trial.sightings import Sightings
from keyshift.trial.sums import TargetSums
from keyshift.trial.totals import BOUNDS, IndexTotals, empty_totals
from keyshift.trial.walk import Walked


def target_report(
    target: Target,
    sums: TargetSums,
    seen: Sightings,
    rules: Sequence[PlacedRule],
    walked: Mapping[str, Walked],
) -> TargetReport:
    """The figures of one target."""
    tables = {placed.table for placed in rules if placed.rule.target.name == target.name} & walked.keys()
    whole = empty_totals(len(target.indexes))
    for rule, totals in sums.totals.by_rule.items():
        table = rules[rule].table
        whole.include(totals, walked[table].scale if table in walked else 1.0)
    indexes = tuple(
        _index(index, totals, sums.indexes.get(index.name), seen)
        for index, totals in zip(target.indexes, whole.indexes, strict=True)
    )
    stored = stored_bytes(round(whole.data + whole.books), round(whole.items))
    return TargetReport(
        target=target.name,
        sampled=any(not walked[table].whole for table in tables),
        rows=round(whole.rows),
        items=round(whole.items),
        data_bytes=round(whole.data),
        bookkeeping_bytes=round(whole.books),
        stored_bytes=stored,
        sizes=tuple(Bucket(bound, round(count)) for bound, count in zip((*BOUNDS, None), whole.histogram, strict=True)),
        largest_groups=tuple(
            Group(seen.name(one.digest), one.slots, one.size, one.books) for one in sums.totals.groups
        ),
        partition_keys=sums.partitions.keys,
        hot_keys=_hot_keys(sums.partitions, seen),
        writes=round(whole.writes),
        write_units=round(whole.units),
        write_units_failed=round(whole.failed),
        write_units_again=round(whole.again),
        indexes=indexes,
        load_cost=ON_DEMAND.writes(whole.units + sum(index.write_units for index in indexes)),
        month_cost=ON_DEMAND.month(stored + sum(index.stored_bytes for index in indexes)),
    )


def _index(index: Index, totals: IndexTotals, partitions: PartitionTotals | None, seen: Sightings) -> IndexReport:
    return IndexReport(
        index=index.name,
        local=index.is_local,
        items=round(totals.items),
        stored_bytes=stored_bytes(round(totals.bytes), round(totals.items)),
        write_units=round(totals.units),
        hot_keys=() if partitions is None else _hot_keys(partitions, seen),
    )


def _hot_keys(partitions: PartitionTotals, seen: Sightings) -> tuple[HotKey, ...]:
    return tuple(
        HotKey(
            key=seen.name(one.digest),
            rows=one.rows,
            rows_share=one.rows / max(1, partitions.rows),
            write_units=one.units,
            units_share=one.units / max(1, partitions.units),
            units_a_second_max=units_a_second(one.units / max(1, partitions.units)),
            bytes=one.stored,
        )
        for one in partitions.top
    )
