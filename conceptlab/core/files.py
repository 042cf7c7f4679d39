"""Files that are at any time the old one or the new one, and whole."""

import json
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as a file of JSON, as a whole, or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
