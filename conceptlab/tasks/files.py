"""Files that are there as a whole, or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file as a whole, or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
