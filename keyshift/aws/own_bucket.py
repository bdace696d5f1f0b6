"""The S3 bucket as a resource: made, checked and removed. Nothing outside our prefix is ever touched."""

from collections.abc import Iterator
from typing import Any, Final

from keymap.errors import KeyshiftError
from keyshift.aws.clients import ClientError, S3Client, error_code, explaining
from keyshift.aws.ownership import TAG
from keyshift.process.stop import NEVER, Stop

_MISSING = {"404", "NoSuchBucket", "NotFound"}
_NO_TAGS = {"NoSuchTagSet", "NotImplemented", "MethodNotAllowed"}
_FIRST_REGION: Final = "us-east-1"  # the one region that must not be named as a location


def bucket_exists(client: S3Client, name: str) -> bool:
    """Whether there is such a bucket and we may use it. Raises KeyshiftError when it belongs to somebody else."""
    with explaining(f"looking at bucket {name}"):
        try:
            client.head_bucket(Bucket=name)
        except ClientError as error:
            if error_code(error) in _MISSING:
                return False
            if error_code(error) in {"403", "AccessDenied", "Forbidden"}:
                remedy = "Names are unique in all of S3: choose another bucket.name, or allow s3:ListBucket on it"
                raise KeyshiftError(f"bucket {name} exists and we may not use it", remedy) from error
            raise
    return True


def ensure_bucket(client: S3Client, name: str, owner: str) -> bool:
    """Make sure of the bucket; says whether it is `owner`'s own creation. Raises KeyshiftError when AWS refuses."""
    if not bucket_exists(client, name):
        _create(client, name, owner)
    # The tag decides even after our own call: in us-east-1 creating a bucket that one has already succeeds.
    return _is_ours(client, name, owner)


def empty_bucket(client: S3Client, name: str, prefix: str, *, stop: Stop = NEVER) -> int:
    """Remove every object and unfinished upload under `prefix/`; says how many. The bucket may be gone already.

    In a bucket with versions (not ours: we create none) this leaves delete markers, as S3 does. Raises KeyshiftError
    when one of them cannot be removed, Stopped.
    """
    folder = f"{prefix.rstrip('/')}/"
    removed = 0
    with explaining(f"emptying {name}/{folder}"):
        try:
            for keys in _pages(client, name, folder):
                stop.sleep(0)
                removed += _delete_objects(client, name, keys)
            for upload in _uploads(client, name, folder):
                client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
                removed += 1
        except ClientError as error:
            if error_code(error) not in _MISSING:
                raise
    return removed


def delete_bucket(client: S3Client, name: str, prefix: str, *, stop: Stop = NEVER) -> bool:
    """Empty our prefix, then remove the bucket if nothing else is in it; says whether it is gone."""
    empty_bucket(client, name, prefix, stop=stop)
    with explaining(f"deleting bucket {name}"):
        try:
            client.delete_bucket(Bucket=name)
        except ClientError as error:
            if error_code(error) == "BucketNotEmpty":
                return False
            if error_code(error) not in _MISSING:
                raise
    return True


def _create(client: S3Client, name: str, owner: str) -> None:
    configuration: dict[str, Any] = {"Tags": [{"Key": TAG, "Value": owner}]}
    region = client.meta.region_name
    if region != _FIRST_REGION:
        configuration["LocationConstraint"] = region
    with explaining(f"creating bucket {name}"):
        try:
            client.create_bucket(Bucket=name, CreateBucketConfiguration=configuration)  # type: ignore[arg-type]
        except ClientError as error:
            # Ours already (a lost answer, or a bucket of the account): its tag tells which.
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise


def _is_ours(client: S3Client, name: str, owner: str) -> bool:
    with explaining(f"reading the tags of bucket {name}"):
        try:
            tags = client.get_bucket_tagging(Bucket=name)["TagSet"]
        except ClientError as error:
            if error_code(error) in _NO_TAGS:
                return False
            raise
    return {"Key": TAG, "Value": owner} in tags


def _pages(client: S3Client, name: str, folder: str) -> Iterator[list[str]]:
    # Listed from the start each time, since the page before has been removed: no token to outlive its page.
    while contents := client.list_objects_v2(Bucket=name, Prefix=folder).get("Contents"):
        yield [one["Key"] for one in contents]


def _delete_objects(client: S3Client, name: str, keys: list[str]) -> int:
    answer = client.delete_objects(Bucket=name, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
    if errors := answer.get("Errors"):
        first = f"{errors[0].get('Code')}: {errors[0].get('Message')}"
        message = f"{len(errors)} of {len(keys)} objects in bucket {name} could not be removed, the first with {first}"
        raise KeyshiftError(message, "Allow s3:DeleteObject under the prefix, then run the command again")
    return len(keys)


def _uploads(client: S3Client, name: str, folder: str) -> Iterator[Any]:
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=name, Prefix=folder):
        yield from page.get("Uploads", ())
