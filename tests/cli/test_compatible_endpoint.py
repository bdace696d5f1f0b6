"""An endpoint that is only compatible is asked what it knows: what it lacks is told, and what cannot be is refused."""

from typing import Any

import pytest

from keyshift.aws.clients import make_clients
from keyshift.control.store import Store
from tests.cli.conftest import Project
from tests.servers.alternator import NEWER, OLDER
from tests.servers.fault_proxy import FaultProxy

pytestmark = pytest.mark.any_pair


def test_targets_at_an_endpoint_without_transactions_need_a_control_table_elsewhere(
    project: Project, endpoints: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, real = project.name, endpoints.urls["dynamodb"]
    with FaultProxy(real, *NEWER) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        refused = project.keyshift("init")
        assert refused.code == 2
        assert "its endpoint has no TransactWriteItems" in refused.err
        assert "aws.endpoints.control_table" in refused.err
        assert project.made() == []

        project.edit("keyshift.yaml", "lanes: 8\n", f"lanes: 8\naws: {{endpoints: {{control_table: '{real}'}}}}\n")
        assert project.keyshift("init").code == 0
        assert name in project.keyshift("status").out
        put = project.aws("dynamodb").put_item
        put(TableName=f"{name}-app", Item={"pk": {"S": "a"}, "sk": {"S": "b"}})
        newer = project.keyshift("doctor")
        assert newer.code == 0, newer.out
        assert "in one sum" in newer.out
        assert "it has no warm throughput" in newer.out
        assert "in the way of a write" not in newer.out
        proxy.rules = OLDER
        older = project.keyshift("doctor")
        assert older.code == 0, older.out
        assert "does not tell what a write consumes" in older.out
        assert "does not return the item that was in the way of a write" in older.out
        assert proxy.calls["TransactWriteItems"] == 1, "since it has an endpoint of its own, the control table is there"
        proxy.rules = ()
        assert project.keyshift("destroy", "--yes").code == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", real)
    assert project.made() == []


def test_the_control_tables_own_endpoint_is_another_client_only_where_it_is_named(endpoints: Any) -> None:
    one = make_clients("us-east-1", endpoints.urls)
    assert one.control is one.dynamodb
    two = make_clients("us-east-1", {**endpoints.urls, "control_table": "http://127.0.0.1:1"})
    assert two.control.meta.endpoint_url == "http://127.0.0.1:1"
    assert two.dynamodb.meta.endpoint_url == endpoints.urls["dynamodb"]
    assert Store(two.control, "t", "m").table == "t"
    for clients in (one, two):
        clients.close()
