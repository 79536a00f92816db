"""The OpenAPI document: whole, typed throughout, and true to its own examples."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from openapi_spec_validator import validate

from adapters.problems import STATUSES, Problem
from domain.refusals import CODES
from services.api.handlers.describe_events import OF_JOBS
from tests.support.described_api import openapi

DOCUMENT = openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = {"get", "post", "patch", "delete"}
OPERATIONS = {
    operation["operationId"]: operation
    for group in (DOCUMENT["paths"], DOCUMENT["webhooks"])
    for path in group.values()
    for method, operation in path.items()
    if method in METHODS
}


def validator(schema: dict[str, Any]) -> Any:
    whole = schema | {"components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each media type of the body and of the answers, with what is said of it."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).items()


def test_it_is_a_valid_document() -> None:
    validate(DOCUMENT)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operations_examples_fit_their_schemas(name: str) -> None:
    for media_type, content in contents(OPERATIONS[name]):
        if media_type != "application/json" or name == "relay_webhook":
            continue
        validator(content["schema"]).validate(content["example"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_described(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert operation["tags"][0] in {each["name"] for each in DOCUMENT["tags"]}
    assert all(answer["description"] for answer in operation["responses"].values())
    assert all(each["description"] for each in operation["parameters"])


def untyped(schema: Any, place: str) -> Iterator[str]:
    """Yield the places where a schema allows anything."""
    match schema:
        case dict():
            says_nothing = not schema or (
                schema.get("type") == "object"
                and not schema.keys() & {"properties", "additionalProperties"}
            )
            if says_nothing and not place.endswith("properties"):
                yield place
            for key, each in schema.items():
                yield from untyped(each, f"{place}/{key}")
        case list():
            for number, each in enumerate(schema):
                yield from untyped(each, f"{place}/{number}")


def test_nothing_is_left_without_a_type() -> None:
    assert not list(untyped(SCHEMAS, ""))
    for operation in OPERATIONS.values():
        for _, content in contents(operation):
            assert not list(untyped(content["schema"], operation["operationId"]))


def test_every_problem_has_a_status_and_fits_its_schema() -> None:
    problem = validator({"$ref": "#/components/schemas/Problem"})
    examples = DOCUMENT["components"]["examples"]
    assert examples.keys() == CODES.keys() == STATUSES.keys()
    for code, example in examples.items():
        problem.validate(example["value"])
        assert msgspec.convert(example["value"], Problem).code == code


def test_the_history_of_a_job_knows_every_event_about_one() -> None:
    events = SCHEMAS["Event"]["discriminator"]["mapping"]
    assert events.keys() == {event.__name__ for event in OF_JOBS}


def test_a_client_in_python_can_be_generated_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(DOCUMENT))
    command = [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--path", str(path)),
        *("--meta", "none", "--output-path", str(tmp_path / "client"), "--fail-on-warning"),
    ]
    folder = Path(sys.executable).parent  # Its formatter has to be on the path.
    done = subprocess.run(
        command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    models = {each.stem for each in (tmp_path / "client" / "models").glob("*.py")}
    assert {"job", "infograph_status", "run", "credits_", "problem", "job_frame"} <= models
