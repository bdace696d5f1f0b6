"""init creates what is missing and records it; destroy removes exactly that; both may be killed and repeated."""

import io
from types import ModuleType

import pytest

from keymap.errors import KeyshiftError
from keyshift.aws import resources
from keyshift.control import migration as migrations
from keyshift.control.phase import Phase
from keyshift.control.store import PHASE
from tests.cli.conftest import Project, another
from tests.cli.steps import load, store_of

pytestmark = pytest.mark.any_pair


def test_init_creates_everything_and_destroy_removes_all_of_it(project: Project) -> None:
    answer = project.keyshift("init")
    assert answer.code == 0, answer.err
    name = project.name
    assert project.made() == sorted(
        [f"{name}-app", f"{name}-groups", f"{name}-control", f"keyshift-{name}", f"{name}-bucket"]
    )
    answer = project.keyshift("destroy", "--yes")
    assert answer.code == 0, answer.err
    assert project.made() == []
    assert "binlog settings" in answer.out
    assert "revoke" in answer.out


def test_destroy_asks_and_a_no_removes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.keyshift("init")
    before = project.made()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    answer = project.keyshift("destroy")
    assert (answer.code, answer.err.strip()) == (130, "nothing was done")
    assert "THE MIGRATED DATA" in answer.out
    assert project.made() == before


def test_init_may_be_repeated(project: Project) -> None:
    first, second = project.keyshift("init"), project.keyshift("init")
    assert (first.code, second.code) == (0, 0)
    assert first.out.splitlines()[-1] == second.out.splitlines()[-1]  # the same run
    assert second.out.count("created by this migration") == 5


def test_init_makes_the_keymaps_indexes_with_the_tables_and_tells_of_keys_that_may_be_empty(project: Project) -> None:
    index = "indexes: {by_note: {partition_key: {note: S}}}"
    project.edit("keymap.yaml", "sort_key: {sk: S}", f"sort_key: {{sk: S}}\n    {index}")
    for command in (("keymap", "check"), ("init",)):
        answer = project.keyshift(*command)
        assert answer.code == 0, answer.err
        assert "column note is a key of index by_note, and a row where it is empty is refused" in answer.out
    table = project.aws("dynamodb").describe_table(TableName=f"{project.name}-app")["Table"]
    assert [made["IndexName"] for made in table["GlobalSecondaryIndexes"]] == ["by_note"]


def test_init_refuses_a_table_that_lacks_an_index(project: Project) -> None:
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    project.aws("dynamodb").create_table(
        TableName=f"{project.name}-app",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    index = "indexes: {by_note: {partition_key: {note: S}}}"
    project.edit("keymap.yaml", "sort_key: {sk: S}", f"sort_key: {{sk: S}}\n    {index}")
    answer = project.keyshift("init")
    assert answer.code != 0
    assert "it has no index by_note" in answer.err
    assert project.made() == [f"{project.name}-app"]


def test_destroy_may_be_repeated_and_says_when_there_is_nothing(project: Project) -> None:
    project.keyshift("init")
    project.keyshift("destroy", "--yes")
    answer = project.keyshift("destroy", "--yes")
    assert answer.code == 0
    assert "nothing to destroy" in answer.out


def test_destroy_asks_first_and_leaves_all_there_without_a_yes(project: Project) -> None:
    project.keyshift("init")
    before = project.made()
    answer = project.keyshift("destroy")  # standard input is empty: no yes
    assert answer.code != 0
    assert "THE MIGRATED DATA" in answer.out
    assert project.made() == before


@pytest.mark.parametrize(
    "call", ["ensure_control_table", "ensure_stream", "ensure_table", "ensure_bucket", "record_created"]
)
def test_init_killed_after_any_creation_is_repeated_and_destroy_still_removes_all(
    project: Project, monkeypatch: pytest.MonkeyPatch, servers: str, call: str
) -> None:
    """Killed right after the call was done, before anything more is recorded of it."""
    module = resources if call.startswith("ensure") else __import__("keyshift.control.migration").control.migration
    real = getattr(module, call)

    def dies(*arguments, **options):
        real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, call, dies)
        assert project.keyshift("init").code == 130
    assert project.keyshift("init").code == 0
    assert project.keyshift("destroy", "--yes").code == 0
    # Nothing can be recorded before the control table is there, and DynamoDB Local keeps no tags.
    tagless = call == "ensure_control_table" and servers.endswith("+local")
    assert project.made() == ([f"{project.name}-control"] if tagless else [])


def cut_over(project: Project) -> None:
    assert project.keyshift("init").code == 0
    store = store_of(project)
    before = store.get(PHASE)
    assert before is not None
    store.swap(PHASE, before, {"phase": Phase.CLOSED.value})


def test_after_the_cutover_the_target_tables_stay(project: Project) -> None:
    cut_over(project)
    targets = [f"{project.name}-app", f"{project.name}-groups"]
    answer = project.keyshift("destroy", "--yes")
    assert answer.code == 0, answer.err
    assert project.made() == targets
    assert "is the application's now, and stays: " in answer.out
    assert "THE MIGRATED DATA" not in answer.out


def test_after_the_cutover_the_target_tables_go_when_they_are_asked_for(project: Project) -> None:
    cut_over(project)
    assert project.keyshift("destroy").code != 0  # asked, and not answered: nothing is given away
    assert project.keyshift("destroy", "--yes", "--with-targets").code == 0
    assert project.made() == []


@pytest.mark.parametrize(("module", "call"), [(migrations, "give_away"), (resources, "delete_stream")])
def test_destroy_killed_after_the_cutover_still_leaves_the_target_tables(
    project: Project, monkeypatch: pytest.MonkeyPatch, module: ModuleType, call: str
) -> None:
    cut_over(project)
    with monkeypatch.context() as patched:
        patched.setattr(module, call, _interrupted)
        assert project.keyshift("destroy", "--yes").code == 130
    assert project.keyshift("destroy", "--yes").code == 0
    assert project.made() == [f"{project.name}-app", f"{project.name}-groups"]


def _interrupted(*_: object, **_options: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("call", ["delete_stream", "delete_table", "delete_bucket"])
def test_destroy_killed_in_the_middle_is_repeated(project: Project, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    project.keyshift("init")
    real = getattr(resources, call)

    def dies(*arguments, **options):
        real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resources, call, dies)
        assert project.keyshift("destroy", "--yes").code == 130
    again = project.keyshift("init")
    if call != "delete_table" or again.code:  # the control table goes last: with it, the migration is gone
        assert again.code == 2
        assert "keyshift destroy" in again.err
    assert project.keyshift("destroy", "--yes").code == 0
    assert project.made() == []


def test_what_was_there_before_stays(project: Project) -> None:
    dynamodb = project.aws("dynamodb")
    table = f"{project.name}-app"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    project.aws("s3").create_bucket(Bucket=f"{project.name}-bucket")
    project.aws("s3").put_object(Bucket=f"{project.name}-bucket", Key="mine", Body=b"x")
    answer = project.keyshift("init")
    assert answer.code == 0, answer.err
    assert answer.out.count("was there before") == 2
    answer = project.keyshift("destroy", "--yes")
    assert project.made() == [table, f"{project.name}-bucket"]
    assert f"table {table}" in answer.out
    dynamodb.delete_table(TableName=table)


def test_what_somebody_else_creates_in_the_last_moment_is_not_ours(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"{project.name}-bucket"
    real = resources.ensure_bucket

    def late(*arguments):
        project.aws("s3").create_bucket(Bucket=bucket)
        return real(*arguments)

    monkeypatch.setattr(resources, "ensure_bucket", late)
    assert f"{bucket}: was there before" in project.keyshift("init").out
    project.keyshift("destroy", "--yes")
    assert project.made() == [bucket]


def test_a_shared_control_table_goes_with_the_last_migration(project: Project) -> None:
    other = another(project, "other")
    other.edit("keyshift.yaml", f"{other.name}-control", f"{project.name}-control")
    assert project.keyshift("init").code == 0
    assert other.keyshift("init").code == 0
    answer = project.keyshift("destroy", "--yes")
    assert f"{project.name}-control stays: {other.name}" in answer.out
    assert project.made() == [f"{project.name}-control"]
    assert other.keyshift("destroy", "--yes").code == 0
    assert project.made() == other.made() == []


def test_a_second_run_after_destroy_is_another_migration(project: Project) -> None:
    first = project.keyshift("init").out.splitlines()[-1]
    project.keyshift("destroy", "--yes")
    second = project.keyshift("init").out.splitlines()[-1]
    assert first != second


def test_status_of_a_fresh_migration_says_what_comes_next(project: Project) -> None:
    project.keyshift("init")
    answer = project.keyshift("status")
    assert answer.code == 0
    assert "start `keyshift cdc run`" in answer.out


def test_a_keyshift_error_is_one_block(capsys: pytest.CaptureFixture[str]) -> None:
    from keyshift.cli.errors import show

    show(KeyshiftError("it does not work", "Mend it"))
    assert capsys.readouterr().err == "error: it does not work\n  do: Mend it\n"


def test_destroy_removes_a_dump_in_a_folder_and_nothing_else_there(project: Project) -> None:
    project.edit("keyshift.yaml", "bulkload: {", "bulkload: {folder: dumps, ")
    load(project)
    folder = project.folder / "dumps"
    dumped = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in dumped} == {".zst", ".json"}
    (folder / "keyshift" / "mine.txt").write_text("stays")
    answer = project.keyshift("destroy", "--yes")
    assert answer.code == 0, answer.err
    assert f"the folder {folder}" in answer.out
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["mine.txt"]
