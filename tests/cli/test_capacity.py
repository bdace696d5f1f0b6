"""What the target tables take: made as the settings say, shown by the plan, and raised by a command that asks first."""

import json
from typing import Any

import pytest

from tests.cli.conftest import Project
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import Answer, Call

pytestmark = pytest.mark.any_pair


class Warm:
    """Warm throughput as DynamoDB keeps it, before an endpoint that has none: it is being raised for ever."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def told(self, call: Call) -> Answer:
        """The fault: DescribeTable tells of it, and UpdateTable raises it."""
        request = json.loads(call.body)
        if call.operation == "UpdateTable":
            self.asked.append(request)
            return Answer(200, b"{}", {"content-type": "application/x-amz-json-1.0"})
        answer = call.forward(call.body)
        if answer.status != 200:
            return answer
        document = json.loads(answer.body)
        status = "UPDATING" if self.asked else "ACTIVE"
        figures = {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": status}
        for place in (document["Table"], *document["Table"].get("GlobalSecondaryIndexes", ())):
            place["WarmThroughput"] = figures
        return Answer(200, json.dumps(document).encode(), {"content-type": "application/x-amz-json-1.0"})


def test_capacity_is_set_shown_and_raised(project: Project, endpoints: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = project.name
    project.edit(
        "keymap.yaml", "sort_key: {sk: S}", "sort_key: {sk: S}\n    indexes: {by_note: {partition_key: {note: S}}}"
    )
    digest = project.keyshift("keymap", "check").out.splitlines()[0]
    capacity = (
        f"capacity: {{{name}-groups: {{read_units: 3, write_units: 70}}, {name}-app: {{warm_write_units: 10000}}}}\n"
    )
    project.edit("keyshift.yaml", "lanes: 8\n", f"lanes: 8\n{capacity}")
    assert project.keyshift("keymap", "check").out.splitlines()[0] == digest, "capacity is no part of the meaning"
    planned = project.keyshift("bulkload", "plan", "--rows", "0", "--json").out
    takes = {
        (one["table"], one["index"]): (one["units_per_second"], one["origin"]) for one in json.loads(planned)["targets"]
    }
    assert takes[f"{name}-app", ""] == (10_000, "warm"), "as it will be made"
    doctor = project.keyshift("doctor").out
    assert "costs about $3.90 once, when it is made" in doctor

    project.edit(
        "keyshift.yaml", f"{name}-app: {{warm_write_units: 10000}}", f"{name}-app: {{indexes: {{by_nota: {{}}}}}}"
    )
    assert "no global index by_nota" in project.keyshift("init").err
    assert project.made() == []
    project.edit("keyshift.yaml", f", {name}-app: {{indexes: {{by_nota: {{}}}}}}", "")
    assert project.keyshift("init").code == 0
    project.edit("keyshift.yaml", f"{name}-groups: {{", f"{name}-app: {{warm_write_units: 10000}}, {name}-groups: {{")
    assert "no write units a second are warm, and the settings want 10,000" in project.keyshift("doctor").out
    warm = Warm()
    with FaultProxy(endpoints.urls["dynamodb"], Rule(warm.told, ("DescribeTable", "UpdateTable"))) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        planned = project.keyshift("bulkload", "plan", "--rows", "0", "--load-hours", "2").out
        assert f"{name}-groups" in planned
        groups = next(line for line in planned.splitlines() if line.startswith(f"{name}-groups")).split()
        assert groups[2:4] == ["70", "provisioned"]
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
        refused = project.keyshift("bulkload", "warm", "--write-units", "14000")
        assert (refused.code, warm.asked) == (130, [])
        assert (
            f"index by_note of table {name}-app: 4,000 write units a second are warm, 14,000 are wanted" in refused.out
        )
        assert "about $19.50, once" in refused.out
        raised = project.keyshift(
            "bulkload", "warm", "--table", f"{name}-app", "--write-units", "14000", "--yes", "--json"
        )
        assert raised.code == 0, raised.err
        assert json.loads(raised.out)["dollars"]["once"] == pytest.approx(13.0)
        assert [one["TableName"] for one in warm.asked] == [f"{name}-app"]
        assert "yes" in project.keyshift("bulkload", "warm").out
        assert "no target nobody" in project.keyshift("bulkload", "warm", "--table", "nobody").err
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoints.urls["dynamodb"])
    refused = project.keyshift("bulkload", "warm", "--write-units", "14000", "--yes")
    assert refused.code == 2
    assert "changed nothing" in refused.err or "tells of no warm throughput" in refused.err
