"""CUDA graphs: hundreds of small kernels are launched at once."""

import warnings

import torch


__all__ = ["Graphs", "Step"]


#: Graphs of one layer: of its chunks in training and in evaluation, and of a text's last one.
_MOST = 8
#: Steps before one is captured, in which all that is made once is made.
_EAGER = 3


class Graphs:
    """Captures a function of tensors, once for each of its variants, and replays it.

    A GPU takes less time for a step of a few hundred units than a processor needs to launch its
    kernels one by one. Results lie in memory that the next replay writes anew. What cannot be
    captured runs as it is, with a warning.
    """

    def __init__(self):
        self._captured = {}

    def __deepcopy__(self, memo):
        return type(self)()

    def __call__(self, function, variant, *tensors):
        """``function(*tensors)``, a tuple of tensors, captured when a variant is new.

        Parameters
        ----------
        function : callable
            Of tensors alone; it must not wait for the GPU.
        variant : hashable
            What its work depends on beside the shapes of its arguments.
        *tensors : tensor
        """
        if Step.running:
            return function(*tensors)
        gradients = torch.is_grad_enabled()
        key = (variant, gradients, tuple((tensor.shape, tensor.dtype) for tensor in tensors))
        if key not in self._captured:
            if len(self._captured) == _MOST:
                return function(*tensors)
            capture = _with_gradients if gradients else _without_gradients
            try:
                self._captured[key] = capture(function, tensors)
            except RuntimeError as error:
                reason = " ".join(str(error).partition("\n")[0].split())
                warnings.warn(f"The GPU launches kernels one by one, which is slow: {reason}",
                              RuntimeWarning, stacklevel=2)
                self._captured[key] = None
        replay = self._captured[key] or function
        return replay(*tensors)


class Step:
    """Captures all of a training step after some that run as they are, and replays it.

    Parameters
    ----------
    function : callable
        Of a batch, a tensor; gives a tensor. All else that it reads and changes must stay where it
        is from step to step.
    """

    #: Whether one runs: what it calls is not captured on its own.
    running = False

    def __init__(self, function):
        self._function, self._made, self._graph = function, 0, None
        self._stream = torch.cuda.Stream()

    def __call__(self, batch):
        if self._made < _EAGER:
            self._made += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                result = self._run(batch)
            torch.cuda.current_stream().wait_stream(self._stream)
            return result
        if self._graph is None:
            self._batch, graph = batch.clone(), torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._result = self._run(self._batch)
            self._graph = graph
        self._batch.copy_(batch)
        self._graph.replay()
        return self._result

    def _run(self, batch):
        Step.running = True
        try:
            return self._function(batch)
        finally:
            Step.running = False


def _samples(tensors):
    return tuple(tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in tensors)


def _with_gradients(function, tensors):
    return torch.cuda.make_graphed_callables(function, _samples(tensors))


def _without_gradients(function, tensors):
    samples = _samples(tensors)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        # Tables that the function keeps must be there before it is captured.
        function(*samples)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = function(*samples)

    def replay(*given):
        for sample, tensor in zip(samples, given, strict=True):
            sample.copy_(tensor)
        graph.replay()
        return results

    return replay
