"""CUDA graphs: hundreds of small kernels of a recurrent layer are launched at once."""

import warnings

import torch


__all__ = ["Graphs"]


#: Graphs of one layer: of its chunks in training and in evaluation, and of a text's last one.
_MOST = 8


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
