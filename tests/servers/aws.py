"""AWS clients for local endpoints, alike for every service."""

import secrets
from typing import Any

import boto3
import pytest
from botocore.config import Config

from keyshift.cli.demo.endpoints import CREDENTIALS, Endpoints, Service


def client(service: Service, endpoints: Endpoints | str, *, attempts: int = 1) -> Any:
    """A client for the endpoints, or for one address; it hides no failure behind retries, unless told to."""
    return boto3.client(
        service,
        endpoint_url=endpoints if isinstance(endpoints, str) else endpoints.urls[service],
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, s3={"addressing_style": "path"}),
    )


def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own AWS configuration reaches a test."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def unique(prefix: str) -> str:
    """A name that no other test takes, valid for a table, a stream and a bucket."""
    return f"{prefix}-{secrets.token_hex(4)}"
