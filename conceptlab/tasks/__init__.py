"""What is learned and how: LightningModules that build everything with torch's own classes and then swap the parts."""

from conceptlab.tasks.classification import Classification
from conceptlab.tasks.forecasting import Forecasting
from conceptlab.tasks.language_model import LanguageModel
from conceptlab.tasks.sequence_to_sequence import SequenceToSequence
from conceptlab.tasks.task import Task

__all__ = ["Classification", "Forecasting", "LanguageModel", "SequenceToSequence", "Task"]
