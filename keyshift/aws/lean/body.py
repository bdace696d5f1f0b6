"""Bodies: a call's arguments as JSON, and an answer's JSON as the low-level client of boto3 would give it. Pure.

The wire form differs from what callers see in nothing but binary values, which are base64. An item that was encoded
ahead goes into a body as it is.
"""

import binascii
import json
from collections.abc import Callable, ItemsView, Iterator, Mapping
from http.client import responses
from typing import Any, Final

import orjson
from botocore.parsers import ResponseParserError

Document = dict[str, Any]


class EncodedItem(Mapping[str, Document]):
    """An item as its text in a body, which is a tenth of it in memory. Whoever reads it has it parsed, each time."""

    __slots__ = ("json",)

    def __init__(self, json: bytes) -> None:
        self.json = json

    @property
    def bytes(self) -> int:
        """The size of the text: DynamoDB never counts more, as here each name and value has its quotation marks."""
        return len(self.json)

    def _item(self) -> Document:
        item: Document = orjson.loads(self.json)
        _item(item)
        return item

    def __getitem__(self, name: str) -> Document:
        found: Document = self._item()[name]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._item())

    def __len__(self) -> int:
        return len(self._item())

    def items(self) -> ItemsView[str, Document]:
        """All attributes, parsed once."""
        return self._item().items()


def encode_item(item: Document) -> EncodedItem | None:
    """The item encoded; None where it holds half a surrogate pair, which no UTF-8 can hold.

    What orjson gives lies in pages that it took in reserve, 4 KB and more: of what is kept a copy is made.
    """
    try:
        return EncodedItem(bytes(memoryview(orjson.dumps(item, _wire))))
    except TypeError:
        return None


def encode(request: Mapping[str, Any]) -> bytes:
    """A request's body."""
    try:
        return orjson.dumps(request, default=_wire)
    except TypeError:
        # Half a surrogate pair: escaped, so that the service says what it thinks of it.
        return json.dumps(request, default=_escaped).encode()


def _wire(value: object) -> str | orjson.Fragment:
    if type(value) is EncodedItem:
        return orjson.Fragment(value.json)
    if isinstance(value, bytes | bytearray | memoryview):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no wire form")


def _escaped(value: object) -> object:
    return dict(value.items()) if isinstance(value, EncodedItem) else _wire(value)


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
