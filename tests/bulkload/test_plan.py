"""The plan says what the servers say, and how each table will be written."""

from bulkload.estimate import Estimate, read_estimates
from bulkload.plan import TablePlan, plan_tables
from keyshift.mysql.connection import connect
from tests.bulkload.world import World


def test_a_plan_tells_rows_chunks_and_which_targets_need_guarded_writes(shop: World) -> None:
    schemas, name = shop.schemas(), shop.schema
    estimates = {f"{name}.{table}": Estimate(10, 100) for table in ("purchase", "orders")}
    plans = plan_tables(shop.keymap, [schemas[table] for table in shop.keymap.tables], estimates, chunk_rows=4)
    assert plans == [
        TablePlan(f"{name}.purchase", rows=10, bytes=1000, chunks=3, guarded=()),
        TablePlan(f"{name}.orders", rows=10, bytes=1000, chunks=3, guarded=()),
        TablePlan(f"{name}.tag", rows=0, bytes=0, chunks=0, guarded=(shop.target("tags"),)),
    ]


def test_estimates_are_the_servers_and_know_nothing_of_a_table_that_is_not_there(shop: World) -> None:
    shop.execute(*(f"INSERT INTO tag SELECT CONCAT(name, '{copy}'), item, weight FROM tag" for copy in "xyz"))
    shop.execute("ANALYZE TABLE tag")
    connection = connect(shop.settings.source)
    try:
        found = read_estimates(connection, [f"{shop.schema}.tag", f"{shop.schema}.missing"])
        assert read_estimates(connection, []) == {}
    finally:
        connection.close()
    assert list(found) == [f"{shop.schema}.tag"]
    assert 40 <= found[f"{shop.schema}.tag"].rows <= 72
    assert found[f"{shop.schema}.tag"].row_bytes > 0
