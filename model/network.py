"""The frozen network: nodes of integer codes that the golden model runs and the hardware is."""

import collections.abc
import dataclasses
import re
import typing

import numpy as np
import numpy.typing as npt

from ternloom.model.error import NetworkError, check_integers
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.matrix import Matrix
from ternloom.model.names import check_notes
from ternloom.model.node import Body, Layer, Operand, Readout, When
from ternloom.model.scaling import Scaling


__all__ = ["INPUT", "Layer", "Network", "Node", "Operand", "Readout", "When", "embedding_type"]


#: What nodes call the network's own input.
INPUT = "input"

#: A node's name, which is also one of the hardware's.
_NAME = re.compile("[a-z][a-z0-9_]{0,31}")
#: Names that stand for something else in the hardware.
_TAKEN = (INPUT, "output")
#: Codes of an embedding that are looked at together.
_PIECE = 1 << 20


class Node(Frozen):
    """A part of a network, and where it stands.

    Parameters
    ----------
    name : str
        Of lower-case letters, digits and underscores, a letter first; at most 32.
    inputs : tuple of str
        Nodes whose vectors it takes, or ``"input"``: one for each operand of the body, in their
        order. Their columns lie side by side.
    body : Body

    Raises
    ------
    NetworkError
        A name that isn't one, or other inputs than the body has operands.
    """

    name: str
    inputs: tuple[str, ...]
    body: Body

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise NetworkError("name of a node must be lower-case letters, digits and underscores, "
                               f"a letter first and at most 32, not {self.name!r}")
        if self.name in _TAKEN:
            raise NetworkError(f"name of a node must not be {self.name}, which is reserved")
        if not isinstance(self.body, Body):
            raise NetworkError(f"{self.name} must be a Layer, a Readout or another Body, "
                               f"not {self.body!r}")
        if len(self.inputs) != len(self.body.operands):
            raise NetworkError(f"{self.name} must have {len(self.body.operands)} inputs, one for "
                               f"each of its operands, not {len(self.inputs)}")

    @property
    def terms(self) -> dict[str, Operand]:
        """What a row of the body adds up, an ``Operand`` by ``NODE.TERM``."""
        return {f"{self.name}.{name}": term for name, term in self.body.terms.items()}


def embedding_type(form: Format) -> type[np.int8] | type[np.int16]:
    """Type of an embedding's codes: int8 if it holds all of the input format's, else int16.

    Raises
    ------
    NetworkError
        A format whose codes do not fit 16 bits.
    """
    low, high = form.code_range
    for dtype in (np.int8, np.int16):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    raise NetworkError(f"embedding must have an input format whose codes fit 16 bits, not {form!r}")


class Network(Frozen):
    """Layers and readouts, each of which takes the input or what nodes before it make.

    Every vector goes to all nodes that name its node, and a node runs when all its inputs are
    there. Readouts and the nodes that no other takes are the outputs: readouts, all of
    the same ``when``, or one layer, whose codes the network puts out at every step.

    Parameters
    ----------
    name : str
    nodes : tuple of Node
        Each after those that it takes.
    labels : tuple of str
        Names of the first readout's classes, or of the embedding's words without a readout; or
        empty.
    notes : mapping of str to str
        Where the network comes from: recipe, data, accuracy as trained. Never read by the model.
    embedding : array (words, inputs) or None
        Input codes of each word of a language network, of ``embedding_type(input_format)``.
        Software on the host looks them up; they are no part of the hardware.
    scaling : Scaling or None
        Makes input codes of raw values (``codes``), also on the host.
    output_scaling : Scaling or None
        Makes numbers in units of their own of the logits (``numbers``), also on the host. None of a
        network whose answers are classes.

    Raises
    ------
    NetworkError
        Parts that don't fit each other; a name, label or note that has control characters.
    """

    name: str
    nodes: tuple[Node, ...]
    labels: tuple[str, ...] = ()
    notes: collections.abc.Mapping[str, str] = dataclasses.field(default_factory=dict)
    embedding: np.ndarray | None = None
    scaling: Scaling | None = None
    output_scaling: Scaling | None = None

    @classmethod
    def line(cls, name: str, layers: collections.abc.Iterable[Layer],
             readout: Readout | None = None, **fields: typing.Any) -> typing.Self:
        """Layers one after another, ``layer0`` and so on, and then the node ``readout`` if there is
        one.

        Parameters
        ----------
        name : str
        layers : sequence of Layer
        readout : Readout or None
        **fields
            Of the network.
        """
        bodies: dict[str, Body] = {
            f"layer{index}": layer for index, layer in enumerate(layers)}
        if readout is not None:
            bodies["readout"] = readout
        return cls(name, tuple(Node(each, (before,), body) for (each, body), before
                               in zip(bodies.items(), (INPUT, *bodies), strict=False)), **fields)

    def edited(self, **bodies: Body | None) -> typing.Self:
        """The network with other bodies of some nodes, by name; None takes a node out."""
        missing = sorted(set(bodies) - {node.name for node in self.nodes})
        if missing:
            raise NetworkError(f"network {self.name!r} has no node {', '.join(missing)}")
        return dataclasses.replace(self, nodes=tuple(
            dataclasses.replace(node, body=body) for node in self.nodes
            if (body := bodies.get(node.name, node.body)) is not None))

    def __post_init__(self):
        check_notes(self.name, self.labels, self.notes, NetworkError)
        super().__post_init__()
        if not self.nodes:
            raise NetworkError("a network must have at least one node")
        known: dict[str, Node] = {}
        for node in self.nodes:
            if not isinstance(node, Node):
                raise NetworkError(f"nodes must be of the type Node, not {node!r}")
            self._check_node(node, known)
            known[node.name] = node
        self._check_outputs()
        if self.embedding is not None:
            self._check_embedding(self.embedding)
        self._check_labels()
        if self.scaling is not None and len(self.scaling.mean) != self.inputs:
            raise NetworkError(f"scaling must have {self.inputs} entries, one per input, "
                               f"not {len(self.scaling.mean)}")
        if self.output_scaling is not None:
            end = self.readout
            if end is None or len(self.output_scaling.mean) != end.classes:
                raise NetworkError(f"output_scaling must have {end.classes if end else 0} entries, "
                                   f"one per logit, not {len(self.output_scaling.mean)}")

    def _check_node(self, node, known):
        if node.name in known:
            raise NetworkError(f"two nodes are called {node.name}; names must differ")
        for place, (source, operand) in enumerate(zip(node.inputs, node.body.operands,
                                                      strict=True)):
            where = f"{node.name}.operands[{place}]"
            if source == INPUT:
                before = self._given
                size, form = before.matrix.columns, before.format
            elif source not in known:
                raise NetworkError(f"{node.name} must take the input or a node before it, "
                                   f"not {source!r}")
            elif known[source].body.gives_logits:
                raise NetworkError(f"{node.name} must take codes, not the logits of {source}")
            else:
                size, form = known[source].body.size, known[source].body.form
            if operand.matrix.columns != size:
                raise NetworkError(f"{where} must have {size} columns, as many as {source} has "
                                   f"elements, not {operand.matrix.columns}")
            if operand.format != form:
                raise NetworkError(f"{where}.format must be that of {source}, {form!r}, "
                                   f"not {operand.format!r}")

    def _check_outputs(self):
        if self.input_format.header:
            raise NetworkError("the input must not be online: coefficients come from a layer's own "
                               "state, and an input stream carries codes alone")
        ends = self.outputs
        if not all(node.body.gives_logits for node in ends) and len(ends) > 1:
            raise NetworkError("outputs must be readouts, or one layer, not "
                               f"{' and '.join(node.name for node in ends)}")
        whens = {node.name: node.body.when for node in ends if node.body.gives_logits}
        if len(set(whens.values())) > 1:
            raise NetworkError("readouts must all produce output at the last step, or all at every "
                               "step, not " + ", ".join(f"{name} at {when.value}"
                                                        for name, when in whens.items()))

    def _check_embedding(self, embedding):
        check_integers("embedding", embedding)
        shape, form = embedding.shape, self.input_format
        if len(shape) != 2 or not shape[0] or shape[1] != self.inputs:
            raise NetworkError(f"embedding must have the shape (words, {self.inputs}), not {shape}")
        dtype = embedding_type(form)
        if embedding.dtype != dtype:
            raise NetworkError(f"embedding must be of {np.dtype(dtype)}, which holds the codes of "
                               f"{form!r}, not of {embedding.dtype}")
        step = -(-_PIECE // self.inputs)
        for start in range(0, shape[0], step):
            piece = embedding[start:start + step]
            if not form.contains(piece):
                word = start + next(word for word, codes in enumerate(piece)
                                    if not form.contains(codes))
                raise NetworkError(f"embedding must hold codes of {form!r}, "
                                   f"and word {word} does not")

    def _check_labels(self):
        end = self.outputs[0].body
        if end.gives_logits:
            count, what = end.size, "class"
        else:
            count, what = 0 if self.embedding is None else len(self.embedding), "word"
        if self.labels and len(self.labels) != count:
            raise NetworkError(f"labels must have {count} entries, one per {what}, "
                               f"not {len(self.labels)}")

    def __repr__(self):
        cells = "+".join(dict.fromkeys(layer.cell.name for layer in self.layers))
        sizes = [self.inputs, *(node.body.size for node in self.nodes)]
        words = "" if self.embedding is None else f", {len(self.embedding)} words"
        return (f"Network({self.name!r}, {cells}, {'-'.join(map(str, sizes))}{words}, "
                f"digest {self.digest[:12]})")

    @property
    def _given(self):
        """The operand that says what the network's input is."""
        for node in self.nodes:
            for source, operand in zip(node.inputs, node.body.operands, strict=True):
                if source == INPUT:
                    return operand
        raise NetworkError("no node of the network takes the input")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Bodies of all layers, in order."""
        return tuple(node.body for node in self.nodes if isinstance(node.body, Layer))

    @property
    def outputs(self) -> tuple[Node, ...]:
        """Nodes that nobody takes, in order: readouts, or one layer."""
        taken = {name for node in self.nodes for name in node.inputs}
        return tuple(node for node in self.nodes if node.name not in taken)

    @property
    def gives_logits(self) -> bool:
        """Whether it puts out logits, not codes."""
        return self.outputs[0].body.gives_logits

    @property
    def readout(self) -> Readout | None:
        """The readout, None in a network that puts out codes.

        Raises
        ------
        NetworkError
            A network with more than one.
        """
        if len(self.outputs) > 1:
            raise NetworkError(f"network {self.name!r} has several readouts, "
                               f"{', '.join(node.name for node in self.outputs)}, and only one is "
                               "supported here")
        end = self.outputs[0].body
        return end if isinstance(end, Readout) else None

    def consumers(self, name: str) -> tuple[tuple[int, int], ...]:
        """Nodes that take a node, or ``"input"``: pairs of index of the node and of its input."""
        return tuple((index, place) for index, node in enumerate(self.nodes)
                     for place, source in enumerate(node.inputs) if source == name)

    @property
    def terms(self) -> dict[str, Operand]:
        """What all rows add up, an ``Operand`` by name: ``layer0.input``, ``layer0.recurrent``, ...
        """
        return {name: term for node in self.nodes for name, term in node.terms.items()}

    @property
    def matrices(self) -> dict[str, Matrix]:
        """Every ``Matrix`` by the names of ``terms``."""
        return {name: term.matrix for name, term in self.terms.items()}

    @property
    def inputs(self) -> int:
        """Elements of an input vector."""
        return self._given.matrix.columns

    @property
    def input_format(self) -> Format:
        """Format of an input element."""
        return self._given.format

    def codes(self, values: npt.ArrayLike) -> np.ndarray:
        """Input codes of raw values, as the data were scaled that the network was made from.

        Parameters
        ----------
        values : float array (steps, inputs)

        Returns
        -------
        int16 array (steps, inputs)

        Raises
        ------
        ValueError
            A network that does not know its scaling, or values of another shape.
        """
        if self.scaling is None:
            raise ValueError(f"Network {self.name} does not know how raw values are scaled: the "
                             "data that it was made from did not say")
        if np.ndim(values) != 2 or np.shape(values)[1] != self.inputs:
            raise ValueError(f"Values must have the shape (steps, {self.inputs}), "
                             f"not {np.shape(values)}")
        return self.scaling.codes(values, self.input_format)

    def numbers(self, logits: npt.ArrayLike) -> np.ndarray:
        """What logits stand for: numbers in units of their own, or logits as real numbers.

        Parameters
        ----------
        logits : int array (..., classes)
            Codes, as the golden model and the hardware give them.

        Returns
        -------
        float64 array (..., classes)

        Raises
        ------
        ValueError
            A network without a readout, or with several.
        """
        end = self.readout
        if end is None:
            raise ValueError(f"Network {self.name} must have a readout to give numbers")
        values = end.logits.real(np.asarray(logits))
        return values if self.output_scaling is None else self.output_scaling.raw(values)

    def embed(self, tokens: npt.ArrayLike) -> np.ndarray:
        """Input codes of words.

        Parameters
        ----------
        tokens : int array (steps,)
            Index of each word in the vocabulary.

        Returns
        -------
        int64 array (steps, inputs)

        Raises
        ------
        ValueError
            A network without an embedding, or an index that it does not have.
        """
        if self.embedding is None:
            raise ValueError(f"Network {self.name} must have an embedding to read words")
        tokens = np.asarray(tokens, dtype=np.int64)
        wrong = (tokens < 0) | (tokens >= len(self.embedding))
        if wrong.any():
            raise ValueError(f"Words must be from 0 to {len(self.embedding) - 1}, "
                             f"not {int(tokens[wrong][0])}")
        return self.embedding[tokens].astype(np.int64)
