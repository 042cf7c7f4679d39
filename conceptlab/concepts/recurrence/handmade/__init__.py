"""Recurrence with derivatives by hand, through whole sequences: a file for each kind of step, and one for layers."""

from conceptlab.concepts.recurrence.handmade.cells import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell
from conceptlab.concepts.recurrence.handmade.sequences import gru, lstm, rnn_relu, rnn_tanh

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]
