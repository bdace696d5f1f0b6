"""docs/hidden-changes.md: each way in which a change may be hidden has tests that show what the page says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs" / "hidden-changes.md").read_text(), re.MULTILINE)[1:]

# By the row's first words: where a test is, and what its name begins with.
SHOWN = {
    "no binlog": ["mysql/test_preflight_live: test_a_server_without_binlog", "cdc/test_aurora: test_a_name_that_still"],
    "`binlog_format`": [
        "mysql/test_preflight_live: test_a_server_configured_wrongly",
        "cdc/test_altered_stops: test_what_cannot_be_followed",
        "cdc/test_altered_stops: test_a_file_that_a_statement_loads",
    ],
    "the same, through a view": [
        "cdc/test_altered_stops: test_what_cannot_be_followed",
        "cdc/test_statements: test_what_a_view_a_trigger",
        "binlog/test_query_variables: test_the_databases_that_a_statement",
    ],
    "`binlog_row_image`": [
        "mysql/test_preflight_live: test_a_server_configured_wrongly",
        "cdc/test_binlog: test_what_hides_a_change_stops",
    ],
    "`binlog_row_metadata`": [
        "mysql/test_preflight_live: test_a_server_configured_wrongly",
        "cdc/test_binlog_server: test_metadata_that_is_not_full",
        "cdc/test_undescribed: test_",
    ],
    "`binlog-do-db`": ["mysql/test_preflight_live: test_a_server_configured_wrongly"],
    "a replica as source": ["mysql/test_preflight: test_what_a_server_does_wrong"],
    "compressed transactions": [
        "cdc/test_binlog: test_compressed_transactions",
        "cdc/test_binlog_server: test_compressed_events",
        "cdc/test_binlog: test_partial_json",
        "cdc/test_binlog: test_tagged_gtids",
    ],
    "rows of transactions that roll back": [
        "cdc/test_binlog: test_what_is_rolled_back",
        "cdc/test_binlog: test_a_rollback_to_a_savepoint",
    ],
    "XA transactions": ["mysql/test_preflight_live: test_a_prepared_xa", "cdc/test_binlog: test_xa_on_captured"],
    "foreign keys": [
        "mysql/test_preflight_live: test_tables_that_cannot_be_followed",
        "cli/test_accepted_refusals: test_children_that_a_foreign_key",
        "cdc/test_ddl_page: test_what_the_page_says",
    ],
    "engines without transactions": [
        "mysql/test_preflight_live: test_tables_that_cannot_be_followed",
        "cli/test_accepted_refusals: test_what_was_accepted_once",
        "cdc/test_statements: test_a_statement_that_changes",
    ],
    "TRUNCATE": [
        "cdc/test_altered_stops: test_what_cannot_be_followed",
        "cdc/test_altered_stops: test_what_only_mariadb_has",
    ],
    "partitions": [
        "cdc/test_altered_stops: test_what_cannot_be_followed",
        "cdc/test_altered_stops: test_what_only_mariadb_has",
    ],
    "a primary key": [
        "mysql/test_preflight_live: test_tables_that_cannot_be_followed",
        "cdc/test_altered_stops: test_what_cannot_be_followed",
        "cdc/test_ddl_page: test_what_the_page_says",
    ],
    "other DDL": ["cdc/test_altered: test_what_can_be_followed", "cdc/test_ddl_page: test_what_the_page_says"],
    "an ALTER that MariaDB logs": ["cdc/test_altered: test_an_alter_that_mariadb_logs"],
    "gh-ost": [
        "cdc/test_altered_stops: test_what_cannot_be_followed",
        "cdc/test_altered_decisions: test_gh_osts_renames",
    ],
    "MariaDB's system-versioned": [
        "mysql/test_schema: test_views_and_versioned",
        "cdc/test_altered_stops: test_what_only_mariadb_has",
    ],
    "generated columns": ["cdc/test_harmless: test_odd_ways", "cdc/test_altered: test_what_can_be_followed"],
    "an incident": ["cdc/test_decoder: test_an_event_that_may_hide"],
    "binlog files purged": ["mysql/test_preflight_live: test_a_server_configured", "cdc/test_faults: test_a_purged"],
    "a stream": ["aws/test_own_stream: test_a_stream_that_ignores", "aws/test_own_stream: test_all_that_is_wrong"],
    "a server that lost": ["cdc/test_numbering: test_", "cdc/test_failover: test_", "cdc/test_continuity: test_"],
}


def test_each_row_of_the_page_is_shown_by_tests_that_there_are() -> None:
    assert [next((words for words in SHOWN if row.startswith(words)), row) for row in ROWS] == list(SHOWN)
    for tests in SHOWN.values():
        for place, _, name in (test.partition(": ") for test in tests):
            assert f"\ndef {name}" in (ROOT / "tests" / f"{place}.py").read_text(), (place, name)
