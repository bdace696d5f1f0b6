"""What a rule's hook makes of its table, for the check: columns that may hold anything, and NULL."""

from dataclasses import replace

from keymap.kinds import MADE_BY_HOOK
from keymap.rule import Rule
from keymap.schema import Column, TableSchema


def hook_columns(rule: Rule) -> frozenset[str]:
    """The columns that the rule's hook adds or changes."""
    return frozenset(rule.hook.columns if rule.hook else ())


def seen_by(rule: Rule, schema: TableSchema) -> TableSchema:
    """The table as the rule sees it: behind its hook."""
    made = {
        name: Column(name, MADE_BY_HOOK, "made by the hook", nullable=True)
        for name in (rule.hook.columns if rule.hook else ())
    }
    return replace(schema, columns=tuple({**schema.by_name, **made}.values())) if made else schema
