"""The rendered stack, deployed at endpoints that know CloudFormation; then a migration on what it made."""

import io
import zipfile
from dataclasses import replace
from typing import Any

import boto3
import pytest

from keymap.rules import load_keymap
from keyshift.deploy.template import template_text
from keyshift.process.settings import load_settings
from tests.cli.conftest import Project, keyshift, project
from tests.servers.aws import unique

__all__ = ["keyshift", "project"]  # the fixtures


class Cloud:
    """ministack alone, whatever the pair: it has CloudFormation, and makes what a stack asks for in itself."""

    def __init__(self, url: str) -> None:
        self.url = url
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("apply_stream.py", "")
        self.code = unique("code")
        s3 = self.aws("s3")
        s3.create_bucket(Bucket=self.code)
        s3.put_object(Bucket=self.code, Key="a.zip", Body=archive.getvalue())

    def aws(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1")

    def deploy(self, name: str, text: str, **parameters: str) -> dict[str, str]:
        """Make or update the stack; its outputs."""
        there = bool(parameters.pop("update", ""))
        given = {"CodeBucket": self.code, "CodeKey": "a.zip", **parameters}
        cloud = self.aws("cloudformation")
        (cloud.update_stack if there else cloud.create_stack)(
            StackName=name,
            TemplateBody=text,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        state = "update" if there else "create"
        cloud.get_waiter(f"stack_{state}_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        (found,) = cloud.describe_stacks(StackName=name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}


@pytest.fixture
def cloud(project: Project, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for service in project.endpoints.urls:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", project.endpoints.url)
    return Cloud(project.endpoints.url)


def test_a_migration_lives_on_what_the_stack_made_and_leaves_it_there(project: Project, cloud: Cloud) -> None:
    project.edit("keyshift.yaml", "bucket: {", "metrics: {emf: true}\nbucket: {")
    ours = replace(project, endpoints=cloud.url)  # type: ignore[arg-type]  # one address for all
    text = template_text(load_settings(project.folder / "keyshift.yaml"), load_keymap(project.folder / "keymap.yaml"))
    assert project.keyshift("deploy", "template").out == text
    stack, name = f"keyshift-{project.name}", project.name
    outputs = cloud.deploy(stack, text)
    made = sorted([f"{name}-app", f"{name}-groups", f"{name}-control", f"keyshift-{name}", f"{name}-bucket"])
    assert ours.made() == made

    answer = project.keyshift("init")
    assert answer.code == 0, answer.err
    assert answer.out.count("was there before, and stays when the migration is destroyed") == 5

    for state in ("Enabled", "Disabled"):  # a new mapping is Enabled at ministack, whatever the template says
        cloud.deploy(stack, text, Replay=state.lower(), update="yes")
        mapping = cloud.aws("lambda").get_event_source_mapping(UUID=outputs["EventSourceMapping"])
        assert (mapping["State"], mapping["StartingPosition"]) == (state, "TRIM_HORIZON")

    answer = project.keyshift("destroy", "--yes", "--with-targets")
    assert answer.code == 0, answer.err
    assert ours.made() == made
    (left,) = [line for line in answer.out.splitlines() if "and stays: " in line]
    assert all(resource in left for resource in made)
    formation = cloud.aws("cloudformation")
    formation.delete_stack(StackName=stack)
    formation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    assert ours.made() == made


def test_a_stack_takes_what_init_made(project: Project, cloud: Cloud) -> None:
    assert project.keyshift("init").code == 0
    text = project.keyshift("deploy", "template").out
    outputs = cloud.deploy(f"keyshift-{project.name}", text, Resources="existing")
    mapping = cloud.aws("lambda").get_event_source_mapping(UUID=outputs["EventSourceMapping"])
    assert mapping["EventSourceArn"].endswith(f"stream/keyshift-{project.name}")
    cloud.aws("cloudformation").delete_stack(StackName=f"keyshift-{project.name}")
