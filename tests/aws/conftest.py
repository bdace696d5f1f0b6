"""Clients as the commands make them, towards the endpoints under test."""

from collections.abc import Iterator

import pytest

from keyshift.aws.clients import Clients, make_clients
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from tests.servers.aws import isolate
from tests.servers.fault_proxy import FaultProxy

REGION = CREDENTIALS["AWS_DEFAULT_REGION"]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)


@pytest.fixture
def clients(endpoints: Endpoints) -> Iterator[Clients]:
    clients = make_clients(REGION, endpoints.urls)
    yield clients
    clients.close()


@pytest.fixture
def dynamodb_faults(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["dynamodb"]) as proxy:
        yield proxy


@pytest.fixture
def kinesis_faults(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["kinesis"]) as proxy:
        yield proxy


@pytest.fixture
def s3_faults(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["s3"]) as proxy:
        yield proxy


@pytest.fixture
def faulty(dynamodb_faults: FaultProxy, kinesis_faults: FaultProxy, s3_faults: FaultProxy) -> Iterator[Clients]:
    """Clients that go through the fault proxies."""
    clients = make_clients(
        REGION, {"dynamodb": dynamodb_faults.url, "kinesis": kinesis_faults.url, "s3": s3_faults.url}
    )
    yield clients
    clients.close()
