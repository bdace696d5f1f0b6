"""DynamoDB tables as resources: the targets of the keymap and the control table; made, checked and removed."""

from typing import Any, Final

from keymap.errors import Problem, Problems
from keymap.targets import KeyAttribute, Target
from keyshift.aws import table_shape
from keyshift.aws.clients import ClientError, DynamoDBClient, error_code, explaining
from keyshift.aws.ownership import TAG, wait_until
from keyshift.process.capacity import CapacitySection
from keyshift.process.stop import NEVER, Stop

CONTROL_KEYS: Final = (KeyAttribute("migration", "S"), KeyAttribute("item", "S"))
_MISSING = "ResourceNotFoundException"
_IN_USE = "ResourceInUseException"
_NO_TAGS = {"UnknownOperationException", "ValidationException"}  # DynamoDB Local keeps none


def table_keys(client: DynamoDBClient, name: str) -> tuple[KeyAttribute, ...] | None:
    """The key attributes of a table, partition key first; None when there is no such table. Raises KeyshiftError."""
    table = describe_table(client, name)
    return None if table is None else table_shape.keys_of(table)


def table_problems(client: DynamoDBClient, target: Target) -> list[Problem] | None:
    """What is wrong with key and indexes of the target's table; None when there is no table. Raises KeyshiftError."""
    table = describe_table(client, target.name)
    return None if table is None else table_shape.problems(target, table)


def ensure_table(
    client: DynamoDBClient,
    target: Target,
    owner: str,
    *,
    capacity: CapacitySection | None = None,
    stop: Stop = NEVER,
) -> bool:
    """Make sure of an active table with the target's key and indexes; says whether it is `owner`'s own creation.

    `capacity` is that of a table which is made now.

    Raises Problems when a table of that name has another key or lacks an index, KeyshiftError when AWS refuses or the
    table does not become active within minutes, Stopped.
    """
    return _ensure(client, target, owner, stop, capacity)


def ensure_control_table(client: DynamoDBClient, name: str, owner: str, *, stop: Stop = NEVER) -> bool:
    """Make sure of the control table, which several migrations may share; as ensure_table."""
    return _ensure(client, control_target(name), owner, stop)


def control_target(name: str) -> Target:
    """The control table, described as a target is."""
    partition_key, sort_key = CONTROL_KEYS
    return Target(name, partition_key, sort_key, "on_demand", None, None)


def table_arn(client: DynamoDBClient, name: str) -> str | None:
    """AWS's name of the table; None when there is no such table. Raises KeyshiftError."""
    table = describe_table(client, name)
    return None if table is None else str(table["TableArn"])


def adopt_table(client: DynamoDBClient, target: Target, owner: str, *, stop: Stop = NEVER) -> None:
    """Make a table that was made for `owner` without its tag what `ensure_table` would have made of it. Safe to repeat.

    Raises Problems where it has another key or lacks an index, KeyshiftError, Stopped.
    """
    table = _wait_active(client, target.name, stop)
    Problems.raise_if_any(table_shape.problems(target, table))
    tags: Any = [{"Key": TAG, "Value": owner}]
    with explaining(f"tagging table {target.name}"):
        try:
            client.tag_resource(ResourceArn=table["TableArn"], Tags=tags)
        except ClientError as error:
            if error_code(error) not in _NO_TAGS:
                raise


def delete_table(client: DynamoDBClient, name: str, *, stop: Stop = NEVER) -> None:
    """Remove the table with all it holds, and wait until it is gone; it may be gone already."""
    with explaining(f"deleting table {name}"):
        try:
            client.delete_table(TableName=name)
        except ClientError as error:
            if error_code(error) not in {_MISSING, _IN_USE}:  # in use: it is being deleted
                raise
    wait_until(lambda: describe_table(client, name) is None, f"table {name} to be gone", stop)


def _ensure(
    client: DynamoDBClient, target: Target, owner: str, stop: Stop, capacity: CapacitySection | None = None
) -> bool:
    name = target.name
    _wait_while_deleting(client, name, stop)
    created = describe_table(client, name) is None and _create(client, target, owner, capacity)
    table = _wait_active(client, name, stop)
    Problems.raise_if_any(table_shape.problems(target, table))
    return created or _is_ours(client, table, owner)


def _create(client: DynamoDBClient, target: Target, owner: str, capacity: CapacitySection | None) -> bool:
    """Whether our call is known to have created the table."""
    tags: Any = [{"Key": TAG, "Value": owner}]
    with explaining(f"creating table {target.name}"):
        try:
            client.create_table(**table_shape.request(target, capacity), Tags=tags)
        except ClientError as error:
            if error_code(error) != _IN_USE:
                raise
            return False
    return True


def describe_table(client: DynamoDBClient, name: str) -> dict[str, Any] | None:
    """A table as AWS describes it, None when there is none. Raises KeyshiftError."""
    with explaining(f"looking at table {name}"):
        try:
            found: Any = client.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if error_code(error) == _MISSING:
                return None
            raise
    return dict(found)


def _is_ours(client: DynamoDBClient, table: dict[str, Any], owner: str) -> bool:
    with explaining(f"reading the tags of table {table['TableName']}"):
        try:
            tags = client.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags", [])
        except ClientError as error:
            if error_code(error) in _NO_TAGS:
                return False
            raise
    return {"Key": TAG, "Value": owner} in tags


def _wait_active(client: DynamoDBClient, name: str, stop: Stop) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    def is_active() -> bool:
        table = describe_table(client, name)
        seen[:] = [table] if table else []
        # UPDATING takes reads and writes as ACTIVE does, and can last for hours while an index is built.
        return table is not None and table["TableStatus"] in {"ACTIVE", "UPDATING"}

    wait_until(is_active, f"table {name} to become active", stop)
    return seen[0]


def _wait_while_deleting(client: DynamoDBClient, name: str, stop: Stop) -> None:
    def is_settled() -> bool:
        table = describe_table(client, name)
        return table is None or table["TableStatus"] != "DELETING"

    wait_until(is_settled, f"the former table {name} to be gone", stop)
