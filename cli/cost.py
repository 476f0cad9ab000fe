"""What a network is made of and what it costs, as JSON values."""

from ternloom.evaluate.size import (float_bits, matrix_size, network_size,
                                    relative_errors)


__all__ = ["hardware", "matrix_rows", "methods", "size_data"]


def methods(network):
    """Weights and activations in a word or two: methods where its notes tell, else alphabets."""
    kinds = dict.fromkeys(matrix.weight.name + (f":{matrix.planes}" if matrix.planes > 1 else "")
                          for matrix in network.matrices.values())
    forms = dict.fromkeys(layer.state_format.text for layer in network.layers)
    notes = network.notes
    return {"weights": notes.get("weights", ", ".join(kinds)),
            "activations": notes.get("activations", ", ".join(forms))}


def hardware(mapping):
    """Estimated tables and multipliers, and cycles per step, of a folding."""
    from ternloom.boards.estimate import estimate

    found = estimate(mapping)
    return {"luts": found.luts, "multipliers": found.multipliers,
            "cycles_per_step": mapping.cycles_per_step}


def matrix_rows(network, reference=None):
    """One dict a matrix: its alphabet, its bits and zeros, and its error if there is a reference.

    Parameters
    ----------
    network : Network
    reference : FloatNetwork or None
        The float network that it comes from.
    """
    errors = relative_errors(network, reference) if reference is not None else {}
    for name, matrix in network.matrices.items():
        size = matrix_size(matrix)
        row = {"name": name, "weights": matrix.weight.name, "planes": matrix.planes,
               "rows": matrix.rows, "columns": matrix.columns, "bits": size.weights,
               "scale_bits": size.scales, "zeros": float((matrix.codes == 0).mean())}
        yield row | ({"relative_error": errors[name]} if errors else {})


def size_data(network, reference=None):
    """Bits by what they are for, bytes in all, and those of a float network of the same shape."""
    size = network_size(network)
    data = {"weight_bits": size.weights, "scale_bits": size.scales, "bias_bits": size.biases,
            "embedding_bits": size.embedding, "bytes": size.bytes}
    return data | ({} if reference is None else {"float_bytes": float_bits(reference) // 8})
