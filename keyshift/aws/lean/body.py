"""Bodies: a call's arguments as JSON, and an answer's JSON as the low-level client of boto3 would give it. Pure.

The wire form differs from what callers see in nothing but binary values, which are base64.
"""

import binascii
import json
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, Final

import orjson
from botocore.parsers import ResponseParserError

Document = dict[str, Any]


def encode(request: Mapping[str, Any]) -> bytes:
    """A request's body."""
    try:
        return orjson.dumps(request, default=_wire)
    except TypeError:
        # Half a surrogate pair, which no UTF-8 can hold: escaped, so that the service says what it thinks of it.
        return json.dumps(request, default=_wire).encode()


def _wire(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no wire form")


def decode(body: bytes) -> Document:
    """An answer's document, binary values of items as bytes. Raises ResponseParserError for what is no document."""
    try:
        answer = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ResponseParserError(f"the answer is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ResponseParserError("the answer is JSON, but no document")
    if b'"B"' in body or b'"BS"' in body:  # or else no value in it is binary
        for name in answer.keys() & _WITH_ITEMS.keys():
            _WITH_ITEMS[name](answer[name])
    return answer


def _item(item: Document) -> None:
    for value in item.values():
        _value(value)


def _value(value: Document) -> None:
    for kind, held in value.items():
        if kind == "B":
            value[kind] = binascii.a2b_base64(held)
        elif kind == "BS":
            value[kind] = list(map(binascii.a2b_base64, held))
        elif kind == "M":
            _item(held)
        elif kind == "L":
            for one in held:
                _value(one)


def _items(items: list[Document]) -> None:
    for item in items:
        _item(item)


def _by_table(tables: Mapping[str, list[Document]]) -> None:
    for items in tables.values():
        _items(items)


def _writes(tables: Mapping[str, list[Document]]) -> None:
    for writes in tables.values():
        for write in writes:
            _item(write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"])


def _reads(tables: Mapping[str, Document]) -> None:
    for read in tables.values():
        _items(read["Keys"])


_WITH_ITEMS: Final[Mapping[str, Callable[[Any], None]]] = {
    "Item": _item,
    "Attributes": _item,
    "LastEvaluatedKey": _item,
    "Items": _items,
    "Responses": _by_table,
    "UnprocessedItems": _writes,
    "UnprocessedKeys": _reads,
}


def decode_error(status: int, body: bytes) -> Document:
    """An error's document as botocore gives it: Error, and beside it the members that the service models.

    Where the body says nothing, its code is the status. Text that is no JSON is not repeated: who knows what it quotes.
    """
    try:
        told = decode(body)
    except ResponseParserError:
        told = {}
    code = str(told.pop("__type", "") or status).partition(":")[0].rpartition("#")[2]
    message = told.pop("message", None) or told.pop("Message", None) or ("" if told else responses.get(status, ""))
    return {**told, "Error": {"Code": code, "Message": message}}
