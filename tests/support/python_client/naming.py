"""Names of classes, methods and arguments, from the names of the OpenAPI document."""

import keyword
import re

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+")


def snake(name: str) -> str:
    """`projectId` and `Webhook endpoints` as project_id and webhook_endpoints."""
    text = "_".join(word.lower() for word in WORD.findall(name))
    return f"{text}_" if keyword.iskeyword(text) else text


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in WORD.findall(name))


def method_name(operation: str, group: str) -> str:
    """Return `create` for `create_infographs` of the group infographs: the noun is said already."""
    nouns = {group, group.removesuffix("s"), group.removesuffix("ies") + "y"}
    for noun in sorted(nouns, key=len, reverse=True):
        if operation.endswith(f"_{noun}"):
            return operation.removesuffix(f"_{noun}")
    return operation
