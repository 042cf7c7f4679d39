"""The concepts, a folder each. Nothing lists them: the registry reads this folder."""

from conceptlab.core import registry

registry.load()
