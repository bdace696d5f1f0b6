"""Where the objects of a dump lie, and putting and getting them whole: in S3, or in a folder (bulkload/folder.py).

A chunk's name contains the beginning of its SHA-256. So a dumper that slept and wakes late cannot put other rows under
the name of a chunk that is recorded, and an upload that is repeated writes what is there already.
"""

import hashlib
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

from bulkload.chunkfile import SUFFIX
from keymap.errors import KeyshiftError
from keyshift.aws.clients import ClientError, S3Client, error_code, explaining
from keyshift.aws.retry import retried
from keyshift.control.migration import Migration
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")
PART_BYTES: Final = 16 * 1024 * 1024  # what is larger goes up in parts of this size: a lost one is soon sent again
_TABLE_LENGTH_MAX: Final = 200  # characters of a table's folder: file systems take 255 bytes, S3 1,024 of a whole name
_DIGEST_LENGTH = 16  # hexadecimal digits: enough that no two chunks of one number ever share a name
_MISSING = {"NoSuchKey", "404"}
_GONE = "NoSuchUpload"
_UPLOADS_MAX: Final = 3  # of one object: each after the answer to a completion was lost


def _table_part(table: str) -> str:
    """A table as part of an object's name. What it is called may hold anything, slashes too, and be very long then."""
    name = quote(table, safe="")
    if len(name) <= _TABLE_LENGTH_MAX:
        return name
    digest = hashlib.sha256(table.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: _TABLE_LENGTH_MAX - 1 - _DIGEST_LENGTH]}~{digest}"


class Storage(ABC):
    """The objects of one migration's dump. A call that returns has been done; it raises KeyshiftError or Stopped."""

    def __init__(self, migration: Migration) -> None:
        self._folder = f"{migration.prefix}/{migration.id}/dump"

    def chunk_name(self, table: str, generation: str, number: int, sha256: str) -> str:
        """The object of a chunk."""
        return f"{self._table_folder(table, generation)}/{number:08d}-{sha256[:_DIGEST_LENGTH]}{SUFFIX}"

    def manifest_name(self, table: str, generation: str) -> str:
        """The object of a table's manifest."""
        return f"{self._table_folder(table, generation)}/manifest.json"

    def rejects_name(self, table: str, generation: str, number: int) -> str:
        """The object of those rows of a chunk that cannot become items."""
        return f"{self._table_folder(table, generation)}/rejects-{number:08d}.jsonl"

    def _table_folder(self, table: str, generation: str) -> str:
        folder = f"{self._folder}/{_table_part(table)}"
        return f"{folder}/again-{generation}" if generation else folder

    @abstractmethod
    def address(self, name: str) -> str:
        """The object as a person names it."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Store an object: after this it is there whole, whatever dies, and before this it is not there at all."""

    @abstractmethod
    def get(self, name: str) -> bytes:
        """An object's bytes, all of them."""

    def missing(self, name: str) -> KeyshiftError:
        """The error that tells that the object is not there."""
        remedy = "Restore the object, set bulkload.folder as the dump had it, or start the migration anew"
        return KeyshiftError(f"{self.address(name)} is not there", f"{remedy} (`keyshift destroy`, `keyshift init`)")


class S3Storage(Storage):
    """In the migration's bucket."""

    def __init__(self, client: S3Client, migration: Migration, stop: Stop) -> None:
        super().__init__(migration)
        self._client = client
        self._bucket = migration.bucket
        self._stop = stop

    def address(self, name: str) -> str:
        """``s3://bucket/name``."""
        return f"s3://{self._bucket}/{name}"

    def put(self, name: str, data: bytes) -> None:
        """Store an object, a large one in parts."""
        doing = f"writing {self.address(name)}"
        with explaining(doing):
            if len(data) <= PART_BYTES:
                self._steadily(lambda: self._client.put_object(Bucket=self._bucket, Key=name, Body=data), doing)
                return
            for _ in range(_UPLOADS_MAX):
                if self._put_in_parts(name, data, doing):
                    return
        raise KeyshiftError(
            f"{doing} failed: uploads were lost", "Look at the bucket's lifecycle rules, then try again"
        )

    def _put_in_parts(self, name: str, data: bytes, doing: str) -> bool:
        """Whether the object is known to be there. An upload that is given up is aborted."""
        client, bucket = self._client, self._bucket
        begun = self._steadily(lambda: client.create_multipart_upload(Bucket=bucket, Key=name), doing)
        try:
            self._send_parts(name, begun["UploadId"], data, doing)
        except BaseException as error:
            # It was completed and the answer lost, or somebody aborted it: only another upload tells.
            if isinstance(error, ClientError) and error_code(error) == _GONE:
                return False
            with suppress(Exception):  # what went wrong before is what is told; `destroy` removes what is left
                client.abort_multipart_upload(Bucket=bucket, Key=name, UploadId=begun["UploadId"])
            raise
        return True

    def _send_parts(self, name: str, upload: str, data: bytes, doing: str) -> None:
        client, bucket = self._client, self._bucket
        parts: list[CompletedPartTypeDef] = []
        for number, begin in enumerate(range(0, len(data), PART_BYTES), start=1):
            part = data[begin : begin + PART_BYTES]
            send = partial(client.upload_part, Bucket=bucket, Key=name, UploadId=upload, PartNumber=number, Body=part)
            parts.append({"PartNumber": number, "ETag": self._steadily(send, doing)["ETag"]})
        complete = partial(client.complete_multipart_upload, Bucket=bucket, Key=name, UploadId=upload)
        self._steadily(lambda: complete(MultipartUpload={"Parts": parts}), doing)

    def get(self, name: str) -> bytes:
        """An object's bytes, all of them."""
        doing = f"reading {self.address(name)}"
        with explaining(doing):
            try:
                return self._steadily(lambda: self._read(name), doing)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    raise self.missing(name) from error
                raise

    def _read(self, name: str) -> bytes:
        with self._client.get_object(Bucket=self._bucket, Key=name)["Body"] as body:
            return body.read()

    def _steadily(self, call: "Callable[[], T]", doing: str) -> T:
        return retried(call, Backoff(), self._stop, doing)
