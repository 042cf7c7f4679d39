"""The configuration: where it is, how it is composed, and how it is checked before anything runs."""

from conceptlab.configuration.composing import compose, folder, options, plain, register_parts
from conceptlab.configuration.mistake import Mistake
from conceptlab.configuration.validation import validate

__all__ = ["Mistake", "compose", "folder", "options", "plain", "register_parts", "validate"]
