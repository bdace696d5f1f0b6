"""MariaDB, also where Oracle's MySQL is installed, which the demo would take there."""

from keyshift.cli.demo.program import ServerProgram, container, install_mariadb, installed


def find_mariadb() -> ServerProgram:
    """MariaDB, wherever it can be had; raises ServerError if there is no way."""
    return installed("mariadb") or container("mariadb") or install_mariadb()
