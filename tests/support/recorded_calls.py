"""Which methods of the Python client's generated part were called."""

from collections.abc import Callable
from typing import Any

from darkroom_client import Darkroom


def methods_of(client: Darkroom) -> set[str]:
    """Return every method of every group, as `jobs.show`."""
    return {
        f"{group}.{name}"
        for group, operations in vars(client).items()
        if type(operations).__module__ == "darkroom_client.operations"
        for name in vars(type(operations))
        if not name.startswith("_")
    }


def record(client: Darkroom) -> set[str]:
    """Return a set to which each method's name is added when it is called."""
    called: set[str] = set()
    for name in methods_of(client):
        group, _, method = name.partition(".")
        operations = getattr(client, group)
        setattr(operations, method, _noted(called, name, getattr(operations, method)))
    return called


def _noted(called: set[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*given: Any, **named: Any) -> Any:
        called.add(name)
        return call(*given, **named)

    return noted
