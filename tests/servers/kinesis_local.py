"""kinesis-local: sequence numbers, resharding and size caps of reading as in the service; slow; lenient on limits."""

from keyshift.cli.demo.child import free_port
from keyshift.cli.demo.endpoints import HttpProgram, HttpServer
from tests.servers.npm import executable, npm_package

VERSION = "0.6.2"
_CHANGES = ("CREATE_STREAM", "DELETE_STREAM", "MERGE_SHARDS", "SPLIT_SHARD", "UPDATE_SHARD_COUNT")  # else half a second


def kinesis_local() -> HttpServer:
    """Not yet started."""
    package = npm_package("kinesis-local", VERSION)
    return HttpServer(
        HttpProgram(
            name="kinesis-local",
            # It finds its certificate in the directory it runs in.
            argv=("/bin/sh", "-c", 'cd "$0" && exec "$@"', str(package), executable("node", "nodejs"), "main.js"),
            environment={
                "KINESIS_MOCK_PLAIN_PORT": "{port}",
                "KINESIS_MOCK_TLS_PORT": str(free_port()),
                "LOG_LEVEL": "WARN",
                "SHARD_LIMIT": "1000",
                **{f"{change}_DURATION": "10ms" for change in _CHANGES},
            },
        )
    )
