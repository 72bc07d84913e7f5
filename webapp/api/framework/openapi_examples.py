"""Examples of responses, put together from the `examples` of their schemas' fields."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel


@cache
def example_of(model: type[BaseModel]) -> Any:
    """Return an example of the JSON of a response."""
    schema = model.model_json_schema()
    return _example(schema, schema.get("$defs", {}))


def _example(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], definitions)
    if "$ref" in schema:
        return _example(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if schema["type"] == "array":
        return [_example(schema["items"], definitions)]
    if schema["type"] == "object":
        return {name: _example(field, definitions) for name, field in schema["properties"].items()}
    raise LookupError(f"{schema.get('title')} has no example")
