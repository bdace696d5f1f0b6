"""Changes that lie in S3 (keymap.claims): what fits no record, put by the daemon and got by consumers, and what these
set aside.
"""

from functools import partial

from keymap.claims import LOST, Claim, ClaimError
from keyshift.aws.clients import (
    BotoCoreError,
    ClientError,
    Clients,
    error_code,
    explain,
    explaining,
    is_throttle,
    is_transient,
)
from keyshift.aws.retry import pause, retried
from keyshift.process.backoff import Backoff
from keyshift.process.stop import Stop

_MISSING = {"NoSuchKey", "404"}
_DENIED = {"AccessDenied", "403"}


class ClaimStore:
    """The objects in a migration's bucket. For use by several threads; S3's client is made when it is first needed."""

    def __init__(self, clients: Clients, bucket: str, stop: Stop) -> None:
        self._clients = clients
        self._bucket = bucket
        self._stop = stop

    def put(self, name: str, data: bytes) -> str:
        """Store an object; "" when it is there, else a code: S3 was slow or failing, and a later try may succeed.

        Raises KeyshiftError for what no repetition mends (no such bucket, no permission).
        """
        try:
            self._clients.s3.put_object(Bucket=self._bucket, Key=name, Body=data)
        except (ClientError, BotoCoreError) as error:
            if is_throttle(error) or is_transient(error):
                return error_code(error) or type(error).__name__
            raise explain(error, f"writing {self._address(name)}") from error
        return ""

    def get(self, claim: Claim) -> bytes:
        """An object's bytes, after as many tries as S3 makes necessary.

        Raises ClaimError where it is not there, KeyshiftError for what else no repetition mends, RetriesExhausted, and
        Stopped.
        """
        doing = f"reading {self._address(claim.object)}"
        self._stop.sleep(0)
        with explaining(doing):
            try:
                return retried(partial(self._read, claim.object), Backoff(), self._stop, doing)
            except ClientError as error:
                if error_code(error) in _MISSING:
                    raise ClaimError(
                        f"{self._address(claim.object)} is not there, and a record needs it", LOST
                    ) from error
                if error_code(error) in _DENIED:
                    raise ClaimError(f"{doing} is not permitted, and a record needs it", _ALLOW) from error
                raise

    def delete(self, name: str) -> None:
        """Remove an object, which may be gone already. Raises as get does, but for ClaimError."""
        doing = f"removing {self._address(name)}"
        with explaining(doing):
            retried(
                partial(self._clients.s3.delete_object, Bucket=self._bucket, Key=name), Backoff(), self._stop, doing
            )

    def keep(self, name: str, data: bytes) -> None:
        """Store an object, after as many tries as S3 makes necessary. Raises as delete does."""
        backoff = Backoff()
        while code := self.put(name, data):
            pause(backoff, self._stop, f"writing {self._address(name)} ({code})")

    def _read(self, name: str) -> bytes:
        with self._clients.s3.get_object(Bucket=self._bucket, Key=name)["Body"] as body:
            return body.read()

    def _address(self, name: str) -> str:
        return f"s3://{self._bucket}/{name}"


_ALLOW = (
    "Allow s3:GetObject under the bucket's prefix to the identity in use. Without s3:ListBucket, S3 says the same of an"
    " object that is not there: look for it"
)
