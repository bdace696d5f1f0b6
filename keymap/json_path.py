"""Paths into JSON documents, as in ``$.lines[0].sku``: the plain part of MySQL's path language."""

import json
import re
from decimal import Decimal

from keymap.kinds import Unfit, kind_of_value, wrong
from keymap.values import Canonical, Json, json_document, json_text

_STEP = re.compile(
    r"""\.([^\W\d][\w$]*|\$[\w$]*|"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")|\[([0-9]{1,6})\]"""
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]").search


class JsonPath:
    """A path, taken apart once. Raises ValueError where it is none.

    Members are ``.name``, or ``."any name"`` with JSON's escapes; elements are ``[0]``. There are no wildcards.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("$"):
            raise ValueError(f"the path {path!r} does not begin with $, as in $.lines[0].sku")
        steps: list[str | int] = []
        at = 1
        while at < len(path):
            found = _STEP.match(path, at)
            if not found:
                what = f"the path {path!r} is not understood from character {at + 1} on"
                raise ValueError(f'{what}: its steps are .name, ."any name" and [0]')
            steps.append(_member(found[1]) if found[1] else int(found[2]))
            at = found.end()
        self._steps = tuple(steps)

    def __call__(self, value: Canonical) -> Canonical:
        """What stands there: text, a number, or Json for anything else; None for null and for nothing.

        Raises Unfit for a value that is no JSON, and for text that UTF-8 cannot hold.
        """
        if not isinstance(value, Json | str):
            raise wrong("JSON", kind_of_value(value), "Use a JSON or text column")
        try:
            document = (json_text(value) if isinstance(value, str) else value).document()
        except (ValueError, RecursionError):
            raise Unfit(
                "takes JSON, and this text is none", "Filter such rows out, or use the column as text"
            ) from None
        for step in self._steps:
            if isinstance(step, str) and isinstance(document, dict):
                document = document.get(step)
            elif isinstance(step, int) and isinstance(document, list):
                document = document[step] if step < len(document) else None
            else:
                return None
        return _canonical(document)


def _member(name: str) -> str:
    return str(json.loads(name)) if name.startswith('"') else name


def _canonical(document: object) -> Canonical:
    if isinstance(document, str):
        if _LONE_SURROGATE(document):
            raise Unfit("finds half of a surrogate pair, which is no character", "Correct the document in the source")
        return document
    if document is None or (isinstance(document, int | Decimal) and not isinstance(document, bool)):
        return document
    return json_document(document)
