"""The gradients that arrive between the modules of one model, noted, and replaced by another model's."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from conceptlab.verify.parting.record import Call, Place, Record, plain

Edge = tuple[Any, int]
"""Where a gradient arrives: a node of the graph, and the number of its output."""


def edge_of(tensor: Tensor) -> Edge:
    """The edge at which the gradient of a tensor, as it is now, will arrive."""
    return tensor.grad_fn, tensor.output_nr


class Gradients:
    """Listens at the edges of a graph while it is made, and hears them in the backward pass.

    Args:
        record: where the gradients are noted.
        lead: the record of the model whose gradients are put in their place.
    """

    def __init__(self, record: Record, lead: Record | None) -> None:
        self.record, self.lead = record, lead
        self._places: dict[Edge, list[Place]] = {}
        self._beneath: dict[Edge, Edge] = {}
        self._views: list[tuple[Place, Tensor, int]] = []

    def of_result(self, place: Place, tensor: Tensor) -> None:
        """Listen at what a module returns."""
        if tensor.grad_fn is not None:
            self._listen(place, edge_of(tensor))
            if tensor._is_view():
                self._views.append((place, tensor, tensor._version))

    def of_argument(self, place: Place, tensor: Tensor) -> Tensor:
        """Listen at what a module takes; returns the view that it shall be given.

        At the tensor itself the gradients of all modules that take it would arrive in one sum.
        """
        view = tensor.view_as(tensor)
        self._beneath[edge_of(view)] = edge_of(tensor)
        self._listen(place, edge_of(view))
        return view

    def after_call(self, place: Place, view: Tensor, edge: Edge, version: int) -> None:
        """A module that took a view has returned. Did it write to it?"""
        if view._version == version:
            self._views.append((place, view, version))
            return
        # the graph leads past the view, straight to what the caller's tensor was before
        self._places[edge].remove(place)
        self.record.doubtful.add(place)
        while edge in self._beneath:
            edge = self._beneath[edge]
        self._listen(place, edge)

    def of_parameters(self, model: nn.Module) -> None:
        """Listen at the parameters, and see which tensors have been written to since they were seen."""
        # a view that is written to gets a new node, and the old one hears nothing
        self.record.doubtful |= {place for place, view, version in self._views if view._version != version}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                owner, _, own = plain(name).rpartition(".")
                place = Place("parameter", Call(owner, 0), own)
                self.record.has_gradient[place] = True
                parameter.register_hook(partial(self._of_parameter, place))

    def forget(self) -> None:
        """Let go of the graph: it holds this object, and this object it."""
        for held in (self._places, self._beneath, self._views):
            held.clear()

    def _listen(self, place: Place, edge: Edge) -> None:
        if edge not in self._places:
            self._places[edge] = []
            edge[0].register_prehook(partial(self._arrives, edge))
        self._places[edge].append(place)

    def _arrives(self, edge: Edge, gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...] | None:
        number = edge[1]
        here, own = self._places.get(edge, []), gradients[number]
        if own is None or not here:
            return None
        # at one edge the code at fault comes first: the innermost module that took a tensor and wrote to it, else the
        # forward that went on with what the outermost module returned
        places = [p for p in here if p.kind == "input"] + [p for p in reversed(here) if p.kind == "output"]
        self.record.gradients |= dict.fromkeys(places, own.detach().clone())
        leading = self._leading(places, own)
        return None if leading is None else (*gradients[:number], leading, *gradients[number + 1 :])

    def _leading(self, places: list[Place], own: Tensor) -> Tensor | None:
        if self.lead is None:
            return None
        for place in places:
            gradient = self.lead.gradients.get(place)
            if gradient is not None:
                return gradient.to(own, copy=True) if gradient.shape == own.shape else None
        # where the leader has no gradient, none shall come from here either
        certain = any(p in self.lead.values and p not in self.lead.doubtful for p in places)
        return torch.zeros_like(own) if certain else None

    def _of_parameter(self, place: Place, gradient: Tensor) -> None:
        self.record.gradients[place] = gradient.detach().clone()
