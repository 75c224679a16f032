"""Regular expressions that must match."""

import re


def search(pattern: str, text: str, flags: int = 0) -> re.Match[str]:
    """The first match of `pattern` in `text`. Raises AssertionError without a match."""
    found = re.search(pattern, text, flags)
    assert found is not None, f"no match for {pattern!r} in:\n{text}"
    return found
