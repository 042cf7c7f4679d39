"""What is learned and how: LightningModules that build everything with torch's own classes and then swap the parts."""

from conceptlab.tasks.classification import Classification

__all__ = ["Classification"]
