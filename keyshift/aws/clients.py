"""The one door to AWS's services: clients with bounded waits, boto3's but for the calls of the traffic.

The clients are low-level ones; they may be used by many threads at once. DynamoDB's item calls and PutRecords are made
by keyshift.aws.lean, many times faster and alike in all that a caller sees. Retries below this door are botocore's
"standard" ones (a few, with a token bucket); what must not be given up on is retried above it, in keyshift/aws/retry.
Parameter validation is off for DynamoDB: it costs as much as the rest of a call, and the service checks again.
"""

import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader

from keyshift.aws.errors import THROTTLES, error_code, explain, explaining, is_throttle, is_transient, unquoted
from keyshift.aws.lean.client import CALLS as LEAN_CALLS
from keyshift.aws.lean.client import LeanClient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

    from keyshift.process.sections import AwsSettings
else:  # the stubs are a development dependency
    DynamoDBClient = KinesisClient = RDSClient = S3Client = SecretsManagerClient = SSMClient = STSClient = Any

__all__ = [
    "THROTTLES",
    "BotoCoreError",
    "ClientError",
    "Clients",
    "DynamoDBClient",
    "Kind",
    "KinesisClient",
    "S3Client",
    "STSClient",
    "error_code",
    "explain",
    "explaining",
    "guard_sends",
    "is_throttle",
    "is_transient",
    "make_clients",
    "unquoted",
    "watch_sends",
]

CONNECT_SECONDS_MAX = 5  # a handshake takes milliseconds; more means a blocked route
# The slowest honest answer (a 16 MB batch, a 10 MB GetRecords) takes a few seconds. Both waits together stay below
# apply.request_life_seconds: a write that we have given up on is then soon known to be over.
READ_SECONDS_MAX = 20
ATTEMPTS_MAX = 3  # of one call, below this door; botocore's own default for its standard mode
CONNECTIONS_MAX = 64  # per service: more than any concurrency that our settings begin with

CONTROL = "control_table"  # its endpoint's name, beside those that are called as their services
Kind = Literal["lean", "boto3"]


class Options(NamedTuple):
    """What all clients of a process have in common. `connections_max` are kept, for each service.

    `attempts_max`: tries of one call below this door. Whoever must see each of them asks for one.
    """

    connections_max: int
    attempts_max: int
    kind: Kind


class Clients:
    """The clients of one process, each made when it is first used. close() ends their connections."""

    def __init__(
        self, core: botocore.session.Session, region: str | None, endpoints: Mapping[str, str], options: "Options"
    ) -> None:
        self._core = core
        self._session = boto3.session.Session(region_name=region, botocore_session=core)
        self._endpoints = endpoints
        self._options = options
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()  # making a client is not thread-safe in botocore

    @property
    def dynamodb(self) -> DynamoDBClient:
        """The low-level DynamoDB client: typed items, binary values are bytes."""
        client: DynamoDBClient = self._client("dynamodb", parameter_validation=False)
        return client

    @property
    def control(self) -> DynamoDBClient:
        """The DynamoDB client of the control table: another one only where the settings name an endpoint for it."""
        if CONTROL not in self._endpoints:
            return self.dynamodb
        client: DynamoDBClient = self._client("dynamodb", CONTROL, parameter_validation=False)
        return client

    @property
    def kinesis(self) -> KinesisClient:
        """The Kinesis client."""
        client: KinesisClient = self._client("kinesis")
        return client

    @property
    def s3(self) -> S3Client:
        """The S3 client; towards an endpoint of the settings with path addressing and no optional checksums."""
        options: dict[str, Any] = {}
        if "s3" in self._endpoints:
            # Look-alikes seldom have a wildcard name in DNS, and some reject the checksums that AWS itself likes.
            options = {"s3": {"addressing_style": "path"}, "request_checksum_calculation": "when_required"}
        client: S3Client = self._client("s3", **options)
        return client

    @property
    def sts(self) -> STSClient:
        """The STS client: who we are."""
        client: STSClient = self._client("sts")
        return client

    @property
    def secretsmanager(self) -> SecretsManagerClient:
        """The Secrets Manager client."""
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @property
    def ssm(self) -> SSMClient:
        """The client of SSM, of which the Parameter Store is a part."""
        client: SSMClient = self._client("ssm")
        return client

    @property
    def rds(self) -> RDSClient:
        """The RDS client; it is never called, it signs tokens."""
        client: RDSClient = self._client("rds")
        return client

    @property
    def logs(self) -> Any:  # noqa: ANN401 - one call of it is ours, for which stubs are not worth their while
        """The client of CloudWatch Logs, where DynamoDB's import from S3 says which items it refused."""
        return self._client("logs")

    @property
    def region(self) -> str | None:
        """The region in use, None when nobody names one."""
        return self._session.region_name

    def close(self) -> None:
        """End all connections. A client used afterwards is made anew."""
        with self._lock:
            made, self._made = list(self._made.values()), {}
        for client in made:
            client.close()

    def _client(self, service: str, place: str = "", **options: Any) -> Any:  # noqa: ANN401 - made at run time
        with self._lock:
            if (place or service) not in self._made:
                self._made[place or service] = self._make(service, place or service, options)
            return self._made[place or service]

    def _make(self, service: str, place: str, options: dict[str, Any]) -> Any:  # noqa: ANN401
        config = Config(
            retries={"mode": "standard", "total_max_attempts": self._options.attempts_max},
            connect_timeout=CONNECT_SECONDS_MAX,
            read_timeout=READ_SECONDS_MAX,
            max_pool_connections=self._options.connections_max,
            tcp_keepalive=True,
            user_agent_extra="keyshift",
            **options,
        )
        try:
            client = self._session.client(
                service,  # type: ignore[call-overload]  # the stubs have one overload per name
                endpoint_url=self._endpoints.get(place),
                config=config,
            )
            if self._options.kind == "boto3" or service not in LEAN_CALLS:
                return client
            return LeanClient(
                client, service, self._session.get_credentials(), self._core.get_config_variable("ca_bundle")
            )
        except (BotoCoreError, ValueError) as error:  # ValueError: botocore's word for an endpoint that is no URL
            raise explain(error, f"making a client for {service}") from error


def make_clients(
    region: str | None = None,
    endpoints: Mapping[str, str] | None = None,
    *,
    connections_max: int = CONNECTIONS_MAX,
    attempts_max: int | None = None,
    kind: Kind = "lean",
) -> Clients:
    """The clients for a region and endpoints by service name (both optional: botocore's own sources apply then).

    The control table's may be another than DynamoDB's, under the name CONTROL. `attempts_max`: see Options.

    `kind`: by whom the calls of the traffic are made, keyshift.aws.lean or boto3; all others are boto3's.

    Raises KeyshiftError when the AWS profile that the environment names does not exist.
    """
    try:
        core = botocore.session.get_session()
        core.register_component("data_loader", _descriptions(core.get_config_variable("data_path")))
        return Clients(
            core,
            region,
            dict(endpoints or {}),
            Options(connections_max, attempts_max or ATTEMPTS_MAX, kind),
        )
    except BotoCoreError as error:
        raise explain(error, "reading the AWS configuration") from error


def clients_of(
    aws: "AwsSettings", *, connections_max: int = CONNECTIONS_MAX, attempts_max: int | None = None
) -> Clients:
    """The clients that the settings ask for; raises as make_clients does."""
    return make_clients(
        aws.region, aws.endpoints.urls, connections_max=connections_max, attempts_max=attempts_max, kind=aws.client
    )


@cache
def _descriptions(path: str | None) -> Loader:
    """What reads botocore's descriptions of the services, each once in a process: some megabytes of JSON."""
    return create_loader(path)


def guard_sends(client: DynamoDBClient, check: Callable[[], None]) -> None:
    """Call `check` right before each attempt to send a request of this client; what it raises reaches the caller.

    The hook runs after signing and before every single attempt, botocore's own retries included, so a lease is looked
    at when a request really leaves (docs/design, "Slots and patches": "after signing and before each send").
    """

    def before_send(**_event: Any) -> None:  # noqa: ANN401 - botocore's event arguments
        check()

    client.meta.events.register("before-send.dynamodb", before_send)
    if isinstance(client, LeanClient):
        client.hooks.guards.append(check)


def watch_sends(client: DynamoDBClient, lost: Callable[[BaseException], None]) -> None:
    """Call `lost` with the error of each attempt that got no answer, and so may have been done or may yet arrive."""

    def after_attempt(caught_exception: BaseException | None = None, **_event: Any) -> None:  # noqa: ANN401
        if caught_exception is not None:
            lost(caught_exception)

    # After each attempt botocore asks whether to try again, telling what came of it. We only listen.
    client.meta.events.register("needs-retry.dynamodb", after_attempt)
    if isinstance(client, LeanClient):
        client.hooks.watchers.append(lost)
