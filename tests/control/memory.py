"""A control table in memory, with the calls that Store makes; test_memory.py holds it to the real servers.

Conditions and updates are evaluated from the expressions themselves, so a mistake in them is found here too.
"""

import copy
import re
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]


class Memory:
    """One table with the keys of the control table."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}

    def get_item(self, **request: Any) -> dict[str, Any]:
        assert request["ConsistentRead"]
        item = self.items.get(_identity(request["Key"]))
        return {"Item": copy.deepcopy(item)} if item else {}

    def query(self, **request: Any) -> dict[str, Any]:
        assert request["ConsistentRead"]
        values = request["ExpressionAttributeValues"]
        partition, prefix = values[":pk"]["S"], values.get(":prefix", {"S": ""})["S"]
        keys = sorted(key for key in self.items if key[0] == partition and key[1].startswith(prefix))
        found = [copy.deepcopy(self.items[key]) for key in keys]
        if "ProjectionExpression" in request:
            names = [request["ExpressionAttributeNames"][one] for one in request["ProjectionExpression"].split(", ")]
            found = [{name: item[name] for name in names if name in item} for item in found]
        return {"Items": found if request["ScanIndexForward"] else found[::-1]}

    def update_item(self, **request: Any) -> dict[str, Any]:
        if not self._holds(request):
            raise refused("ConditionalCheckFailedException")
        self._update(request)
        return {}

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        actions = [next(iter(action.items())) for action in request["TransactItems"]]
        if not all(holds := [self._holds(action) for _, action in actions]):
            reasons = [{"Code": "None" if held else "ConditionalCheckFailed"} for held in holds]
            raise refused("TransactionCanceledException", CancellationReasons=reasons)
        for kind, action in actions:
            if kind == "Update":
                self._update(action)
        return {}

    def batch_write_item(self, **request: Any) -> dict[str, Any]:
        (requests,) = request["RequestItems"].values()
        for one in requests:
            self.items.pop(_identity(one["DeleteRequest"]["Key"]), None)
        return {"UnprocessedItems": {}}

    def _holds(self, request: Item) -> bool:
        item = self.items.get(_identity(request["Key"]), {})
        terms = request.get("ConditionExpression", "")
        return all(_holds(term, request, item) for term in terms.split(" AND ") if term)

    def _update(self, request: Item) -> None:
        item = self.items.setdefault(_identity(request["Key"]), copy.deepcopy(request["Key"]))
        names, values = request["ExpressionAttributeNames"], request.get("ExpressionAttributeValues", {})
        clauses = re.split(r"\b(SET|REMOVE|ADD) ", request["UpdateExpression"])
        for verb, body in zip(clauses[1::2], clauses[2::2], strict=True):
            for action in body.strip().split(", "):
                match verb, *action.split():
                    case "SET", name, "=", value:
                        item[names[name]] = copy.deepcopy(values[value])
                    case "REMOVE", name:
                        item.pop(names[name], None)
                    case "ADD", name, value:
                        held = set(item.get(names[name], {"NS": []})["NS"])
                        item[names[name]] = {"NS": sorted(held | set(values[value]["NS"]))}
                    case _:
                        raise AssertionError(f"not understood: {verb} {action}")


def refused(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}, **more}, "Write")  # type: ignore[typeddict-unknown-key]


def _holds(term: str, request: Item, item: Item) -> bool:
    if " OR " in term:
        return any(_holds(one, request, item) for one in term.removeprefix("(").removesuffix(")").split(" OR "))
    if call := re.fullmatch(r"attribute_(not_)?exists\((#\w+)\)", term):
        return (request["ExpressionAttributeNames"][call[2]] in item) is not bool(call[1])
    name, operator, value = term.split()
    held = item.get(request["ExpressionAttributeNames"][name])
    wanted = request["ExpressionAttributeValues"][value]
    if operator == "=":
        return bool(held == wanted)
    assert operator == "<="
    if held is None or held.keys() != wanted.keys():
        return False
    return int(held["N"]) <= int(wanted["N"]) if "N" in held else bool(held["S"] <= wanted["S"])


def _identity(key: Item) -> tuple[str, str]:
    return key["migration"]["S"], key["item"]["S"]
