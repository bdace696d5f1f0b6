"""Rules by the tables that they are about. A mapping may have thousands of both, and most rules name one table."""

from collections import defaultdict
from collections.abc import Hashable

from keymap.dms.names import matches_table
from keymap.dms.rules import AnyRule, Settings


class Index:
    """The rules of a file, in its order, and quickly those about one table."""

    def __init__(self, rules: list[AnyRule]) -> None:
        self.rules = rules
        self._places: defaultdict[Hashable, list[int]] = defaultdict(list)
        self._found: dict[str, list[AnyRule]] = {}
        for place, rule in enumerate(rules):
            if not isinstance(rule, Settings):
                locator = rule.object_locator
                self._places[_bucket(f"{locator.schema_name}.{locator.table_name}")].append(place)

    def about(self, table: str) -> list[AnyRule]:
        """The rules about ``schema.table``, in the order of the file."""
        if table not in self._found:
            places = [*self._places[table], *self._places[len(table)], *self._places[None]]
            rules = [self.rules[place] for place in sorted(set(places))]
            self._found[table] = [
                rule for rule in rules if not isinstance(rule, Settings) and matches_table(rule.object_locator, table)
            ]
        return self._found[table]


def _bucket(pattern: str) -> Hashable:
    """The name itself, where it has no wildcards; its length, where it has underscores only; else None."""
    if "%" in pattern or "[" in pattern:
        return None
    return len(pattern) if "_" in pattern else pattern
