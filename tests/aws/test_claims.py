"""Objects of large changes in S3: what passes by itself is data or tried again, the rest says what to do."""

from collections.abc import Iterator

import pytest

from keymap.claims import Claim, ClaimError, claim_of, packed
from keymap.errors import KeyshiftError
from keyshift.aws.claims import ClaimStore
from keyshift.aws.clients import Clients, make_clients
from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints
from keyshift.process.stop import NEVER, Stop, Stopped
from tests.servers.aws import unique
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import delay, reset_after, reset_before, server_error, slow_down

LINE = b'{"op":"c"}' * 300_000
CLAIM = claim_of(LINE, "v", "keyshift/shop.1/claims")


@pytest.fixture
def proxy(endpoints: Endpoints) -> Iterator[FaultProxy]:
    with FaultProxy(endpoints.urls["s3"]) as found:
        yield found


@pytest.fixture
def clients(proxy: FaultProxy) -> Iterator[Clients]:
    made = make_clients(CREDENTIALS["AWS_DEFAULT_REGION"], {"s3": proxy.url})
    yield made
    made.close()


@pytest.fixture
def bucket(clients: Clients) -> str:
    name = unique("claims")
    clients.s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def store(clients: Clients, bucket: str) -> ClaimStore:
    return ClaimStore(clients, bucket, NEVER)


def test_what_was_put_is_got_and_putting_it_again_changes_nothing(store: ClaimStore) -> None:
    for _ in range(2):
        assert store.put(CLAIM.object, packed(LINE)) == ""
    assert store.get(CLAIM) == packed(LINE)


@pytest.mark.parametrize("fault", [slow_down, server_error, reset_before, reset_after])
def test_a_put_that_may_succeed_later_is_answered_by_a_code(
    store: ClaimStore, proxy: FaultProxy, fault: object
) -> None:
    proxy.rules = (Rule(fault, ("PUT",)),)  # type: ignore[arg-type]
    assert store.put(CLAIM.object, packed(LINE))
    proxy.rules = ()
    assert store.put(CLAIM.object, packed(LINE)) == ""
    assert store.get(CLAIM) == packed(LINE)


@pytest.mark.parametrize("fault", [slow_down, server_error, reset_before, reset_after, delay(0.1)])
def test_a_get_is_tried_until_it_succeeds(store: ClaimStore, proxy: FaultProxy, fault: object) -> None:
    store.put(CLAIM.object, packed(LINE))
    proxy.rules = (Rule(fault, ("GET",), times=5),)  # type: ignore[arg-type]
    assert store.get(CLAIM) == packed(LINE)
    assert proxy.faults.total() in {1, 5}  # one that is only slow succeeds at once


def test_a_get_notices_that_it_is_to_stop(clients: Clients, bucket: str, proxy: FaultProxy) -> None:
    stop = Stop()
    proxy.rules = (Rule(slow_down, ("GET",)),)
    stop.set()
    with pytest.raises(Stopped):
        ClaimStore(clients, bucket, stop).get(CLAIM)


def test_an_object_that_is_gone_says_what_to_do(store: ClaimStore, bucket: str) -> None:
    with pytest.raises(ClaimError, match=f"s3://{bucket}/keyshift/shop.1/claims/v-.* is not there") as raised:
        store.get(CLAIM)
    assert "Put the object back" in raised.value.remedy


def test_a_bucket_that_is_gone_says_what_to_do(clients: Clients) -> None:
    store = ClaimStore(clients, unique("nowhere"), NEVER)
    for call in (lambda: store.put("x", b""), lambda: store.get(Claim("x", "", 0))):
        with pytest.raises(KeyshiftError, match=r"ing s3://nowhere-.*/x failed: NoSuchBucket") as raised:
            call()
        assert "keyshift init" in raised.value.remedy


def test_permission_that_is_missing_says_which() -> None:
    """None of the local servers refuses anybody."""
    import botocore.exceptions

    class Denied:
        class s3:  # noqa: N801 - a client
            @staticmethod
            def get_object(**_: object) -> None:
                raise botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    with pytest.raises(ClaimError, match="not permitted") as raised:
        ClaimStore(Denied(), "b", NEVER).get(CLAIM)  # type: ignore[arg-type]
    assert "s3:GetObject" in raised.value.remedy
