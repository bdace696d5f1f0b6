"""The demo's application: it writes to the source all the time, as a live application does, until told to stop."""

import random
import threading
import time

from keyshift.cli.demo.database import Database
from keyshift.cli.demo.shop import Shop

_ROLLBACK_SHARE = 0.05  # of the transactions: their rows must never be seen
_PAUSE_SECONDS = 0.03  # about a hundred row changes a second: a busy shop, and well within what the emulator writes


class Writer:
    """A thread that runs random transactions. `stop` ends it; `failure` holds what ended it otherwise."""

    def __init__(self, database: Database, schema: str, shop: Shop, randomness: random.Random) -> None:
        self._database, self._schema, self._shop, self._random = database, schema, shop, randomness
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-writer", daemon=True)
        self.transactions = self.rows = 0
        self.failure: Exception | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Stop writing, and return when the last transaction is over. Raises what ended the writer, if anything did."""
        self._stopping.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            with self._database.connect(self._schema) as connection:
                connection.autocommit(False)
                while not self._stopping.is_set():
                    with connection.cursor() as cursor:
                        changed = sum(cursor.execute(*statement) for statement in self._shop.transaction())
                    if self._random.random() < _ROLLBACK_SHARE:
                        connection.rollback()
                    else:
                        connection.commit()
                        self.transactions += 1
                        self.rows += changed
                    time.sleep(_PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - handed to whoever stops the writer
            self.failure = error
