"""What quantization costs and saves: bits with every scale counted, and errors of the weights."""

import dataclasses

import numpy as np

from ternloom.model.error import NetworkError
from ternloom.model.matrix import Matrix
from ternloom.model.network import Network
from ternloom.quantize.codes import relative_error
from ternloom.quantize.floats import FloatNetwork


__all__ = ["Size", "float_bits", "matrix_size", "meant", "network_size",
           "relative_errors"]


@dataclasses.dataclass(frozen=True)
class Size:
    """Bits that numbers take as the hardware keeps them.

    Parameters
    ----------
    weights : int
        Codes of all planes, and those of weights that a unit has of its own.
    scales : int
        Coefficients, all as wide as the matrix' largest; one a plane where its rows share it.
    biases : int
        Biases, all as wide as the layer's largest.
    embedding : int
        Codes of the table, which the host keeps.
    """

    weights: int = 0
    scales: int = 0
    biases: int = 0
    embedding: int = 0

    @property
    def bits(self) -> int:
        """All of them."""
        return self.weights + self.scales + self.biases + self.embedding

    @property
    def bytes(self) -> int:
        """All of them in bytes, rounded up."""
        return -(-self.bits // 8)

    def __add__(self, other):
        return Size(*(getattr(self, field.name) + getattr(other, field.name)
                      for field in dataclasses.fields(self)))


def matrix_size(matrix: Matrix) -> Size:
    """Size of a matrix: its codes and its coefficients."""
    width = int(matrix.coefficients.max()).bit_length()
    shared = (matrix.coefficients == matrix.coefficients[:, :1]).all()
    count = matrix.planes if shared else matrix.coefficients.size
    return Size(weights=matrix.codes.size * matrix.code_bits, scales=count * width)


def _bias_size(*biases):
    """Size of biases that share a width, two's complement."""
    held = np.concatenate([bias for bias in biases if bias is not None]).astype(np.int64)
    width = 1 + int(np.where(held < 0, ~held, held).max()).bit_length()
    return Size(biases=held.size * width)


def network_size(network: Network) -> Size:
    """Size of a whole network."""
    total = Size()
    for matrix in network.matrices.values():
        total += matrix_size(matrix)
    for layer in network.layers:
        total += _bias_size(layer.bias, layer.recurrent_bias)
        if layer.diagonals is not None and layer.diagonal_format is not None:
            total += Size(weights=layer.diagonals.size * layer.diagonal_format.width)
    for node in network.outputs if network.gives_logits else ():
        total += _bias_size(node.body.bias)
    if network.embedding is not None:
        total += Size(embedding=network.embedding.size * network.input_format.width)
    return total


def float_bits(network: FloatNetwork) -> int:
    """Bits of a ``FloatNetwork`` in float32, embedding and biases included."""
    arrays = [network.readout_weight, network.readout_bias, network.embedding]
    for layer in network.layers:
        arrays += [layer.input_weight, layer.recurrent_weight, layer.bias, layer.recurrent_bias,
                   layer.diagonals]
    return 32 * sum(array.size for array in arrays if array is not None)


def _meant(matrix, exponent):
    total = sum(values * coefficients[:, None] for values, coefficients
                in zip(matrix.values, matrix.coefficients.astype(np.float64), strict=True))
    return total * 2.0**-exponent


def meant(network: Network) -> dict[str, np.ndarray]:
    """Real weights that the integers of a network stand for.

    Returns
    -------
    dict of str to float64 array (rows, columns)
        By the names of ``Network.matrices``.
    """
    weights = {}
    for node in network.nodes:
        frac = node.body.sums.frac + node.body.shift
        for name, term in node.terms.items():
            weights[name] = _meant(term.matrix, frac - term.format.frac)
    return weights


def relative_errors(network: Network, reference: FloatNetwork) -> dict[str, float]:
    """Error of each matrix against the float network that it comes from.

    Parameters
    ----------
    network : Network
    reference : FloatNetwork

    Returns
    -------
    dict of str to float
        ``sum((w - q)**2) / sum(w**2)`` by the names of ``Network.matrices``.

    Raises
    ------
    NetworkError
        For float networks of other layers or sizes.
    """
    found, latents = meant(network), reference.matrices
    shapes, others = ({name: array.shape for name, array in arrays.items()}
                      for arrays in (found, latents))
    if shapes != others:
        raise NetworkError(f"float network {reference.name!r} has other matrices, {others}, than "
                           f"network {network.name!r}, {shapes}")
    return {name: relative_error(latents[name], found[name]) for name in found}
