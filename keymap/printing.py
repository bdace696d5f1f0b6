"""A keymap's text in its normal form: what it means, without comments and without what is left at its default.

Reading the text gives an equal document, of the same digest.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keymap.document import KeymapDocument
from keymap.yaml_text import entry, opened

Remark = Callable[[str, int], str]  # of a table's rule, by the table's name and the rule's number


def keymap_text(document: KeymapDocument) -> str:
    """The document as YAML."""
    given = document.model_dump(by_alias=True, exclude_defaults=True)
    for rules in given["tables"].values():
        for rule in rules:
            if "attributes" in rule:
                rule["attributes"] = _short(rule["attributes"])
    return printed(given)


def _short(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Computed attributes, each that is a template and nothing else as that template."""
    found: dict[str, Any] = {}
    for name, attribute in attributes.items():
        if attribute.keys() == {"from"}:
            found[name] = attribute["from"]
        else:
            found[name] = attribute | ({"map": _short(attribute["map"])} if "map" in attribute else {})
    return found


def printed(given: Mapping[str, Any], remark: Remark = lambda _table, _index: "") -> str:
    """A keymap, given as its file's maps and lists, as YAML; `remark` gives comments beside the rules' first lines."""
    lines: list[str] = []
    for name, value in given.items():
        if name == "targets":
            lines += _targets(value)
        elif name == "tables":
            lines += _tables(value, remark)
        else:
            lines += entry(name, value, 0)
    return "\n".join(lines) + "\n"


def _targets(targets: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "targets:"
    for name, target in targets.items():
        yield from opened(name, 2)
        for field, value in target.items():
            yield from entry(field, value, 4)


def _tables(tables: Mapping[str, list[Mapping[str, Any]]], remark: Remark) -> Iterator[str]:
    yield "tables:"
    for name, rules in tables.items():
        if not rules:
            yield from entry(name, [], 2)
            continue
        yield from opened(name, 2)
        for index, rule in enumerate(rules):
            yield from _rule(rule, remark(name, index))


def _rule(rule: Mapping[str, Any], remark: str) -> Iterator[str]:
    lines = [line for field, value in rule.items() for line in entry(field, value, 6)]
    first = f"    - {lines[0].lstrip()}"
    yield f"{first}  # {remark}" if remark else first
    yield from lines[1:]
