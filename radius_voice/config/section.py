"""The base class of every section of the configuration."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from radius_voice.config.strict_yaml import Path as KeyPath

Diagnostic: TypeAlias = tuple[KeyPath, str]
"""The path of a value, and a message: the problem and the fix."""


def file_default(default: Any, **more: Any) -> Any:
    """A default in the syntax of the file; it is converted like a value of the file."""
    return Field(default=default, validate_default=True, **more)


def optional_section(**more: Any) -> Any:
    """A section that may be omitted, because all its keys have defaults."""
    return Field(default_factory=dict, validate_default=True, **more)


class KeyProblem(ValueError):
    """An error of a key of a section. `path` leads from the section to the key."""

    def __init__(self, text: str, *path: str) -> None:
        super().__init__(text)
        self.path = path


class Section(BaseModel):
    """A mapping with known keys. The text below a field is its description in the JSON Schema."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    def hidden_value(self, field: str) -> Any:
        """The value of a field for output without secrets.

        A section overrides this for texts that may contain a secret. A `Secret` is recognised by its type.
        """
        return getattr(self, field)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The JSON Schema with descriptions. `use_attribute_docstrings` would parse the sources at every start."""
        generated = handler(schema)
        properties = handler.resolve_ref_schema(generated).get("properties", {})
        texts = _descriptions(cls)
        for name, field in cls.model_fields.items():
            if name in texts:
                properties[field.alias or name]["description"] = texts[name]
        return generated


def _descriptions(section: type[Section]) -> dict[str, str]:
    """The texts below the fields of a section, by field; those of a subclass replace those of its bases."""
    texts = {}
    for base in reversed(section.__mro__):
        if not issubclass(base, Section) or base is Section:
            continue
        (tree,) = ast.parse(inspect.getsource(base)).body
        for field, text in pairwise(tree.body if isinstance(tree, ast.ClassDef) else ()):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as written_text)):
                    texts[name] = inspect.cleandoc(written_text)
                case _:
                    pass
    return texts
