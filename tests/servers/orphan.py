"""A process that starts servers, says which, and waits to be killed: test_servers.py asks what is left of them."""

import json
import os
import sys
import time

from tests.servers.pool import DATABASES, ENDPOINTS
from tests.servers.processes import children


def main(pair: str) -> None:
    database_name, endpoints_name = pair.split("+")
    with DATABASES[database_name]() as database, ENDPOINTS[endpoints_name]():
        left = {"pids": children(os.getpid()), "directory": str(database.directory)}
        sys.stdout.write(json.dumps(left) + "\n")
        sys.stdout.flush()
        time.sleep(300)


main(sys.argv[1])
