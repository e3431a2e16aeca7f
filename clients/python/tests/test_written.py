"""What is written by tools/ is in step, and the errors have the fields of the contract."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import scrip

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import write_answers
import write_sync


def test_the_answers_are_those_of_the_contract() -> None:
    assert write_answers.ANSWERS_FILE.read_text() == write_answers.text()


@pytest.mark.parametrize("name", write_sync.NAMES)
def test_the_synchronous_operations_are_the_asynchronous_ones(name: str) -> None:
    assert (write_sync.PACKAGE / f"_sync_{name}.py").read_text() == write_sync.text(name)


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(client) if not name.startswith("_")}

    assert methods(scrip.AsyncScrip) - {"aclose"} == methods(scrip.Scrip) - {"close"}


def problems() -> list[dict[str, Any]]:
    """The problems that a service can get, each with all of its fields."""
    contract = yaml.safe_load(write_answers.CONTRACT.read_text())
    found: dict[str, Any] = {}

    def look(part: Any) -> None:
        if isinstance(part, list):
            for one in part:
                look(one)
        elif isinstance(part, dict):
            for value in part.values():
                look(value)
            target = part.get("$ref", "")
            name = target.rsplit("/", 1)[-1]
            if target and name not in found:
                found[name] = contract
                for step in target.lstrip("#/").split("/"):
                    found[name] = found[name][step]
                look(found[name])

    for path in contract["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "service" in operation.get("tags", []):
                look(operation)
    return [found[name] for name in found if name.startswith("Problem")]


@pytest.mark.parametrize("problem", problems(), ids=lambda one: one["properties"]["code"]["const"])
def test_a_problem_has_every_field_of_the_contract(problem: dict[str, Any]) -> None:
    values = {name: f"a {name}" for name in problem["properties"]}
    error = scrip.Problem(400, values)
    assert {name: getattr(error, name) for name in values if name != "status"} == {
        name: value for name, value in values.items() if name != "status"
    }
