"""The dump in S3: where its objects lie, and putting and getting them whole.

A chunk's name contains the beginning of its SHA-256. So a dumper that slept and wakes late cannot put other rows under
the name of a chunk that is recorded, and an upload that is repeated writes what is there already.
"""

from urllib.parse import quote

from bulkload.chunkfile import SUFFIX
from keymap.errors import KeyshiftError
from keyshift.aws.clients import ClientError, S3Client, error_code, explaining
from keyshift.aws.retry import retried
from keyshift.control.migration import Migration
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

_DIGEST_LENGTH = 16  # hexadecimal digits: enough that no two chunks of one number ever share a name
_MISSING = {"NoSuchKey", "404"}


class Storage:
    """The objects of one migration's dump. A call that returns has been done; it raises KeyshiftError or Stopped."""

    def __init__(self, client: S3Client, migration: Migration, stop: Stop) -> None:
        self._client = client
        self._bucket = migration.bucket
        self._folder = f"{migration.prefix}/{migration.id}/dump"
        self._stop = stop

    def chunk_name(self, table: str, number: int, sha256: str) -> str:
        """The object of a chunk."""
        return f"{self._table_folder(table)}/{number:08d}-{sha256[:_DIGEST_LENGTH]}{SUFFIX}"

    def manifest_name(self, table: str) -> str:
        """The object of a table's manifest."""
        return f"{self._table_folder(table)}/manifest.json"

    def _table_folder(self, table: str) -> str:
        return f"{self._folder}/{quote(table, safe='')}"  # a table's name may hold anything, slashes too

    def address(self, name: str) -> str:
        """The object as a person names it."""
        return f"s3://{self._bucket}/{name}"

    def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        doing = f"writing {self.address(name)}"
        with explaining(doing):
            retried(
                lambda: self._client.put_object(Bucket=self._bucket, Key=name, Body=data), Backoff(), self._stop, doing
            )

    def get(self, name: str) -> bytes:
        """An object's bytes, all of them."""
        doing = f"reading {self.address(name)}"
        with explaining(doing):
            try:
                return retried(lambda: self._read(name), Backoff(), self._stop, doing)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    remedy = "Restore the object, or start the migration anew (`keyshift destroy`, `keyshift init`)"
                    raise KeyshiftError(f"{self.address(name)} is not there", remedy) from error
                raise

    def _read(self, name: str) -> bytes:
        with self._client.get_object(Bucket=self._bucket, Key=name)["Body"] as body:
            return body.read()
