"""Clients as the commands make them, towards the endpoints under test."""

from collections.abc import Iterator

import pytest

from keyshift.aws.clients import Clients, Kind, make_clients
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from tests.servers.aws import isolate
from tests.servers.fault_proxy import FaultProxy

REGION = CREDENTIALS["AWS_DEFAULT_REGION"]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)


@pytest.fixture(params=["lean", "boto3"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """By whom the calls of the traffic are made: what is said of one holds for the other."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def clients(endpoints: Endpoints, kind: Kind) -> Iterator[Clients]:
    clients = make_clients(REGION, endpoints.urls, kind=kind)
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
def faulty(
    dynamodb_faults: FaultProxy, kinesis_faults: FaultProxy, s3_faults: FaultProxy, kind: Kind
) -> Iterator[Clients]:
    """Clients that go through the fault proxies."""
    urls = {"dynamodb": dynamodb_faults.url, "kinesis": kinesis_faults.url, "s3": s3_faults.url}
    clients = make_clients(REGION, urls, kind=kind)
    yield clients
    clients.close()
