"""The kit's steps, by `skald run`."""

import json
import os
import subprocess
import tempfile

import yaml
from behave import given, then, when


def skald(context, *arguments):
    return subprocess.run([context.config.userdata["skald"], *arguments], capture_output=True, text=True, timeout=60, check=False)


def parsed(context):
    return yaml.safe_load(context.text)


@given("a workflow with definition")
def definition(context):
    context.definition = context.text


@given("given the workflow input is")
def workflow_input(context):
    context.input = parsed(context)


@when("the workflow is executed")
def execute(context):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "workflow.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(context.definition)
        result = skald(context, "run", path, "--json", "--input", json.dumps(context.input))
    if context.not_yet:
        assert result.returncode == 2, f"{context.not_yet} is not refused any more: take the scenario off the list"
        context.scenario.skip(f"Skald does not run it yet: {context.not_yet}")
        return
    assert result.returncode in (0, 3), f"exit code {result.returncode}: {result.stderr}"
    context.saga = json.loads(result.stdout)


@then("the workflow should complete")
def completes(context):
    assert context.saga["status"] == "completed", context.saga


@then("the workflow should complete with output")
def completes_with(context):
    completes(context)
    assert context.saga["output"] == parsed(context), context.saga["output"]


@then("the workflow should fault")
def faults(context):
    assert context.saga["status"] == "faulted", context.saga


@then("the workflow should fault with error")
def faults_with(context):
    faults(context)
    for name, value in parsed(context).items():
        assert context.saga["error"].get(name) == value, (name, context.saga["error"])


def member(context, path):
    value = context.saga["output"]
    for name in path.split("."):
        assert isinstance(value, dict) and name in value, f"{path} is not in {context.saga['output']}"
        value = value[name]
    return value


@then("the workflow output should have properties {paths}")
def has_properties(context, paths):
    for path in paths.split(","):
        member(context, path.strip().strip("'"))


@then("the workflow output should have a '{path}' property with value")
def has_value(context, path):
    assert member(context, path) == parsed(context), member(context, path)


@then("the workflow output should have a '{path}' property containing {count:d} items")
def has_items(context, path, count):
    assert len(member(context, path)) == count, member(context, path)


def order(context):
    """Names of tasks, each where it was first met."""
    names = []
    for event in context.saga["history"]:
        name = (event.get("task") or "").rsplit("/", 1)[-1]
        if name and name not in names:
            names.append(name)
    return names


@then("{name} should run first")
def runs_first(context, name):
    assert order(context)[0] == name, order(context)


@then("{name} should run last")
def runs_last(context, name):
    assert order(context)[-1] == name, order(context)


@then("{name} should run after {other}")
def runs_after(context, name, other):
    names = order(context)
    assert names.index(name) > names.index(other), names
