"""Sizes and errors of a network's matrices, as JSON values."""

from ternloom.model.measure import (float_bits, matrices, matrix_size, network_size,
                                    relative_errors)


__all__ = ["matrix_rows", "size_data"]


def matrix_rows(network, reference=None):
    """One dict a matrix: its alphabet, its bits, and its error if there is a reference.

    Parameters
    ----------
    network : Network
    reference : FloatNetwork or None
        The float network that it comes from.
    """
    errors = relative_errors(network, reference) if reference is not None else {}
    for name, matrix in matrices(network).items():
        size = matrix_size(matrix)
        row = {"name": name, "weights": matrix.weight.value, "planes": matrix.planes,
               "rows": matrix.rows, "columns": matrix.columns, "bits": size.weights,
               "scale_bits": size.scales}
        yield row | ({"relative_error": errors[name]} if errors else {})


def size_data(network, reference=None):
    """Bits by what they are for, bytes in all, and those of a float network of the same shape."""
    size = network_size(network)
    data = {"weight_bits": size.weights, "scale_bits": size.scales, "bias_bits": size.biases,
            "embedding_bits": size.embedding, "bytes": size.bytes}
    return data | ({} if reference is None else {"float_bytes": float_bits(reference) // 8})
