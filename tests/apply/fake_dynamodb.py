"""A DynamoDB in memory with the calls that applying and sweeping make; test_fake_dynamodb.py holds it to the real one.

Conditions and updates are evaluated from the expressions themselves, so a mistake in them is found here too. A test
may set `before_call`, which runs before each write and may raise, and `after_call`, which runs when it has been done.
"""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from keymap.attributes import ITEM_BYTES_MAX, item_size

TOKEN = re.compile(r"\s*(\(|\)|=|<|,|[#:A-Za-z_][\w.#]*)")


def nothing() -> None:
    """What happens around a call unless a test wants something."""


class FakeDynamoDB:
    """Tables are made by naming their key attributes; items are typed, as the low-level client takes them."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        self._keys = keys
        self.tables: dict[str, dict[Any, dict[str, Any]]] = {table: {} for table in keys}
        self.before_call: Callable[[], None] = nothing  # of a write
        self.before_read: Callable[[], None] = nothing
        self.after_call: Callable[[], None] = nothing
        self.tells_old = True  # False: as endpoints that do not know ReturnValuesOnConditionCheckFailure

    def items(self, table: str) -> list[dict[str, Any]]:
        """A copy of all that the table holds."""
        return copy.deepcopy(list(self.tables[table].values()))

    def put_item(self, **request: Any) -> dict[str, Any]:
        table, item = request["TableName"], copy.deepcopy(request["Item"])
        return self._write(request, self._identity(table, item), lambda _old: item)

    def update_item(self, **request: Any) -> dict[str, Any]:
        key = copy.deepcopy(request["Key"])
        identity = self._identity(request["TableName"], key)
        return self._write(request, identity, lambda old: updated(request, old or key))

    def delete_item(self, **request: Any) -> dict[str, Any]:
        return self._write(request, self._identity(request["TableName"], request["Key"]), lambda _old: None)

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - DynamoDB's name
        self.before_read()
        ((table, wanted),) = RequestItems.items()
        found = (self.tables[table].get(self._identity(table, key)) for key in wanted["Keys"])
        return {"Responses": {table: copy.deepcopy([item for item in found if item])}}

    def scan(self, *, TableName: str, **_options: Any) -> dict[str, Any]:  # noqa: N803
        self.before_read()
        return {"Items": self.items(TableName)}

    def _identity(self, table: str, item: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple(next(iter(item[name].items())) for name in self._keys[table])

    def _write(self, request: dict[str, Any], identity: Any, new: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        self.before_call()
        held = self.tables[request["TableName"]]
        old = held.get(identity, {})
        if "ConditionExpression" in request and not Condition(request, old).holds():
            asked = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            shown = old if asked and self.tells_old else {}
            raise refused("ConditionalCheckFailedException", **({"Item": copy.deepcopy(shown)} if shown else {}))
        item = new(old)
        if item is None:
            held.pop(identity, None)
        elif item_size(item) > ITEM_BYTES_MAX:
            raise refused("ValidationException")
        else:
            held[identity] = item
        self.after_call()
        return {}


def tokens_of(expression: str) -> list[str]:
    tokens = TOKEN.findall(expression)
    assert "".join(tokens) == "".join(expression.split()), f"not understood: {expression}"
    return tokens


def refused(code: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "Item size is the only limit known here"}, **more}
    return ClientError(response, "Write")


def updated(request: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """The item after an UpdateExpression of SET, REMOVE and ADD; what it does not understand is an error."""
    names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
    item = copy.deepcopy(old)
    clauses = re.split(r"\b(SET|REMOVE|ADD)\b", request["UpdateExpression"])
    assert not clauses[0].strip()
    for verb, body in zip(clauses[1::2], clauses[2::2], strict=True):
        for action in body.split(","):
            match verb, *action.split():
                case "SET", path, "=", value:
                    parent, name = place_of(item, names, path)
                    parent[name] = copy.deepcopy(values[value])
                case "REMOVE", path:
                    parent, name = place_of(item, names, path)
                    parent.pop(name, None)
                case "ADD", name, value:
                    held = int(item.get(names[name], {"N": "0"})["N"])
                    item[names[name]] = {"N": str(held + int(values[value]["N"]))}
                case _:
                    raise AssertionError(f"not understood: {verb} {action}")
    return item


def place_of(item: dict[str, Any], names: dict[str, str], path: str) -> tuple[dict[str, Any], str]:
    """What holds the attribute or entry of a path, and its name there. A map that is not there is refused."""
    *parents, last = path.split(".")
    for alias in parents:
        if "M" not in item.get(names[alias], {}):
            raise refused("ValidationException")
        item = item[names[alias]]["M"]
    return item, names[last]


class Condition:
    """A ConditionExpression of OR, AND, parentheses, the two functions, = and <, with DynamoDB's precedence."""

    def __init__(self, request: dict[str, Any], item: dict[str, Any]) -> None:
        self._tokens = tokens_of(request["ConditionExpression"])
        self._names = request["ExpressionAttributeNames"]
        self._values = request.get("ExpressionAttributeValues", {})
        self._item = item

    def holds(self) -> bool:
        found = self._either()
        assert not self._tokens, f"not understood: {self._tokens}"
        return found

    def _either(self) -> bool:
        found = self._both()
        while self._tokens[:1] == ["OR"]:
            self._tokens.pop(0)
            found = self._both() or found
        return found

    def _both(self) -> bool:
        found = self._one()
        while self._tokens[:1] == ["AND"]:
            self._tokens.pop(0)
            found = self._one() and found
        return found

    def _one(self) -> bool:
        token = self._tokens.pop(0)
        if token == "(":
            found = self._either()
            assert self._tokens.pop(0) == ")"
            return found
        if token in {"attribute_not_exists", "attribute_exists"}:
            opened, name, closed = (self._tokens.pop(0) for _ in range(3))
            assert (opened, closed) == ("(", ")")
            return (self._names[name] in self._item) == (token == "attribute_exists")
        operator, value = self._tokens.pop(0), self._values[self._tokens.pop(0)]
        return self._compare(self._item.get(self._names[token]), operator, value)

    @staticmethod
    def _compare(held: dict[str, Any] | None, operator: str, value: dict[str, Any]) -> bool:
        if held is None or held.keys() != value.keys():
            return False
        if operator == "=":
            return held == value
        assert operator == "<"
        assert list(held) == ["S"]
        return bool(held["S"].encode() < value["S"].encode())
