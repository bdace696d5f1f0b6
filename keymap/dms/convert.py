"""A DMS table mapping in, a keymap and the remarks about it out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keymap.dms.columns import transform
from keymap.dms.drafts import Draft, KeyPart
from keymap.dms.index import Index
from keymap.dms.listed import PrimaryKey
from keymap.dms.names import renamed
from keymap.dms.printing import printed, told
from keymap.dms.reading import parse_rules, unknown_fields
from keymap.dms.remarks import Remarks, plain
from keymap.dms.rules import AnyRule, ObjectMapping, Settings, Transformation
from keymap.dms.selection import Selected, selected
from keymap.dms.tables import Tables
from keymap.errors import Problem, Problems


@dataclass(frozen=True, slots=True)
class Imported:
    """A keymap's text, what it leaves out, and what to look at."""

    text: str
    left_out: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def convert(text: str, name: str, listed: Mapping[str, PrimaryKey | None] | None = None) -> Imported:
    """The keymap for a table mapping's text; `name` is the file's, `listed` the source's tables, where they are known.

    Raises Problems with everything that is wrong in the file; and, where no table is left, with all that was left out.
    """
    rules = parse_rules(text, name)
    remarks = Remarks()
    _remark_fields(rules, remarks)
    index = Index(rules)
    chosen = selected(index, listed or {}, remarks)
    keys = {table: key for table, key in (listed or {}).items() if key is not None}
    drafts = _drafts(chosen, Tables(index, keys, remarks))
    _remark_idle(index, [one.table for one in chosen], remarks)
    if not drafts:
        nothing = Problem(
            name, "no table is left for a keymap", "Mend what is listed here, or write the keymap by hand"
        )
        raise Problems([nothing, *remarks.left_out])
    return Imported(printed(drafts, _head(name, remarks)), tuple(remarks.left_out), tuple(remarks.notes))


def _drafts(chosen: list[Selected], tables: Tables) -> list[Draft]:
    found: list[Draft] = []
    for one in chosen:
        for mapping in _mappings(tables.index.about(one.table), one, tables.remarks):
            draft = tables.draft(one, mapping)
            if draft is not None and _fits(draft, found, tables.remarks):
                transform(draft, tables.index.about(one.table), tables.remarks)
                found.append(draft)
    return found


def _mappings(about: list[AnyRule], chosen: Selected, remarks: Remarks) -> list[ObjectMapping | None]:
    """The table's object mappings; [None], which is DMS's default, where there is none."""
    found = [rule for rule in about if isinstance(rule, ObjectMapping)]
    for rule in found[1:]:
        what = f"table {chosen.table} has an object mapping already ({found[0].label}); both are carried over"
        remarks.note(rule.label, what, "Remove the one that DMS did not use")
    return [*found] or [None]


def _fits(draft: Draft, others: list[Draft], remarks: Remarks) -> bool:
    """Whether the draft's target has the same keys for all; a target of several tables is remarked."""
    same = [other for other in others if other.target == draft.target]
    if not same:
        return True
    if _key_names(same[0].keys) != _key_names(draft.keys):
        what = f"table {draft.table} is not in the keymap: {draft.target} has other keys by {same[0].origin}"
        remarks.leave_out(draft.origin, what, "Give it a target of its own, or the same key names and types")
        return False
    what = f"{same[0].table} and {draft.table} go into one table, {draft.target}"
    remarks.note(draft.origin, what, 'Let their keys begin differently, as in "ORDER#" and "CUSTOMER#"')
    return True


def _key_names(keys: tuple[KeyPart, ...]) -> list[tuple[str, str]]:
    return [(part.name, part.type) for part in keys]


def _remark_fields(rules: list[AnyRule], remarks: Remarks) -> None:
    for rule in rules:
        if isinstance(rule, Settings):
            remarks.note(rule.label, f"{rule.rule_type} says how DMS works, and nothing about the items", "Nothing")
            continue
        for field in unknown_fields(rule):
            remarks.leave_out(rule.label, f"{field} is not known, and has no effect here", "See what DMS does with it")


def _remark_idle(index: Index, tables: list[str], remarks: Remarks) -> None:
    """Rules that did nothing for the selected tables, so that nobody wonders."""
    used = {id(rule) for table in tables for rule in index.about(table)}
    for rule in index.rules:
        if not isinstance(rule, ObjectMapping | Transformation):
            continue
        if isinstance(rule, Transformation) and rule.rule_target not in {"table", "column"}:
            remarks.note(rule.label, f"DynamoDB has no {rule.rule_target} to name", "Nothing")
        elif id(rule) not in used:
            locator = rule.object_locator
            what = f"no selected table whose name is known is meant by {locator.schema_name}.{locator.table_name}"
            tell = remarks.leave_out if isinstance(rule, ObjectMapping) else remarks.note
            tell(rule.label, what, "Select the table in the mapping, or give it with --tables")
        elif rule.rule_action == "define-primary-key":
            remarks.note(rule.label, "a key is what the keymap's `key` says", "Compare it with the keymap")
        elif isinstance(rule, Transformation) and rule.rule_target == "table" and renamed(rule, "") is None:
            what = f"rule-action {rule.rule_action} has no meaning for a table"
            remarks.leave_out(rule.label, what, "If it is about columns, say so in rule-target")


def _head(name: str, remarks: Remarks) -> Iterator[str]:
    yield f"Made from {plain(name)} by `keyshift keymap from-dms`. It is a beginning: read it, then run"
    yield "`keyshift keymap check`, which refuses keys under which DMS would have let one row overwrite another."
    for title, problems in (("Left out", remarks.left_out), ("To look at", remarks.notes)):
        yield ""
        yield f"{title}: {len(problems) or 'nothing'}"
        for problem in problems:
            yield from told(problem)
