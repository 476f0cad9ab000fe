"""What weight methods share: a value with a name, a text that stands for it, and a fit."""

import abc
import collections.abc
import types
import typing

import msgspec
import numpy as np
import numpy.typing as npt

from ternloom.model.alphabet import Alphabet
from ternloom.quantize import multibit
from ternloom.quantize.codes import Codes, draw, nearest


__all__ = ["Named", "WeightMethod", "by_name", "listing", "parse", "same_scale", "usage"]


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method"):
    """A method as a value: it has a name and a text, and its docstring cites its source."""

    @property
    def name(self) -> str:
        """What :func:`parse` calls the method."""
        return tag(type(self))

    @property
    def text(self) -> str:
        """What :func:`parse` makes this very value of."""
        numbers, flags = [], []
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if field.type is bool:
                flags += [field.name.replace("_", "-")] * value
            else:
                numbers.append((value, field.default))
        while numbers and numbers[-1][0] == numbers[-1][1]:
            numbers.pop()
        return ":".join([self.name, *(f"{value}" for value, _ in numbers), *flags])

    @property
    def citation(self) -> str:
        """One line: what it is, and where it is from."""
        return " ".join((type(self).__doc__ or "").partition("\n\n")[0].split())


_Kind = typing.TypeVar("_Kind", bound=Named)


class WeightMethod(Named, frozen=True):
    """What all weight methods share; each adds ``weight``, ``_scales`` and, if it must, ``_codes``.
    """

    #: Whether there is a stochastic rule.
    stochastic = False
    #: Sign planes, if the alphabet is ``PLANES``.
    planes = 1

    @property
    @abc.abstractmethod
    def weight(self) -> Alphabet:
        """Alphabet of the codes."""

    @property
    def steady(self) -> bool:
        """Whether the scales of the float weights that training starts from stay."""
        return False

    @property
    def limit(self) -> int:
        """Largest magnitude of a code."""
        return self.weight.codes[-1]

    def fit(self, latent: np.ndarray, *, rng: "np.random.Generator | None" = None,
            units: int | None = None) -> Codes:
        """Quantize a matrix.

        Parameters
        ----------
        latent : float32 or float64 array (rows, columns)
        rng : numpy.random.Generator or None
            Draws by the method's stochastic rule, if it has one (``stochastic``).
        units : int or None
            Rows of one gate, if those of several are stacked; only Ott's Glorot limit asks.

        Returns
        -------
        Codes

        Raises
        ------
        ValueError
            For weights that are no finite, not empty float matrix, and for ``rng`` without a rule.
        """
        self._check(latent, rng)
        scales = self._scales(latent, units).astype(latent.dtype)
        codes = self._codes(latent, scales) if rng is None else self.draw(latent, scales, rng)
        return Codes(codes, scales, self.weight)

    def _check(self, latent, rng):
        multibit.check_rows(latent)
        if rng is not None and not self.stochastic:
            raise ValueError(f"Weights cannot be drawn at random by {self.name}, which has no "
                             "stochastic rule")

    def nearest(self, latent: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Nearest codes at given scales (1, rows), (planes, rows, columns); ties go up."""
        return nearest(self.weight, latent, scales, self.limit)

    def draw(self, latent: np.ndarray, scales: np.ndarray,
             rng: "np.random.Generator") -> np.ndarray:
        """Codes drawn at given scales (1, rows), (planes, rows, columns), if there is a rule."""
        return draw(self.weight, latent, scales, rng, self.limit)

    def clip(self, shape: tuple[int, int], units: int | None = None) -> float | None:
        """Magnitude to which training clips the master weights of a matrix, or None.

        Beyond its level a weight would only take longer to come back (Courbariaux et al. 2015).
        """
        return 1.0

    def _scales(self, latent, units):
        """Scales of a matrix, (1, rows)."""
        raise NotImplementedError

    def _codes(self, latent, scales):
        return self.nearest(latent, scales)


def same_scale(latent: np.ndarray, scale: npt.ArrayLike = 1.0) -> np.ndarray:
    """One scale for all rows of a matrix, (1, rows)."""
    return np.full((1, len(latent)), scale)


def _number(kind, token):
    """A token as the number that a field wants."""
    if isinstance(kind, types.UnionType):
        kind = next(one for one in typing.get_args(kind) if one is not types.NoneType)
    return kind(token)


def usage(kind: type[Named]) -> str:
    """How a method's text looks, every part of it optional but the name."""
    fields = msgspec.structs.fields(kind)
    numbers = [f":{field.name}" for field in fields if field.type is not bool]
    flags = [f"[:{field.name.replace('_', '-')}]" for field in fields if field.type is bool]
    return tag(kind) + "".join(f"[{part}" for part in numbers) \
        + "]" * len(numbers) + "".join(flags)


def tag(kind: type[Named]) -> str:
    """The name of a method's struct, which :func:`parse` knows it by."""
    return str(kind.__struct_config__.tag)


def is_weight_method(found: object) -> bool:
    """Whether an object is a struct of weight methods."""
    return isinstance(found, type) and issubclass(found, WeightMethod)


def by_name(kinds: collections.abc.Iterable[type[_Kind]]) -> dict[str, type[_Kind]]:
    """Structs of methods by the name that :func:`parse` knows."""
    return {tag(kind): kind for kind in kinds}


def listing(kinds: collections.abc.Mapping[str, type[Named]]) -> list[tuple[str, str]]:
    """How each method's text looks, and its citation: pairs of str, of structs by name."""
    return [(usage(kind), kind().citation) for kind in kinds.values()]


def parse(text: str, kinds: collections.abc.Mapping[str, type[_Kind]],
          thing: str = "Weight method") -> _Kind:
    """The method that a text stands for: its name, then numbers and flags, each after a colon.

    Parameters
    ----------
    text : str
        ``alternating:2``, ``twn:by-row``; numbers come in the order of the method's fields.
    kinds : dict of str to type
        Structs by their name.
    thing : str
        What they are, for messages.

    Raises
    ------
    ValueError
        In one line: for an unknown name those that are known, else how the text must look.
    """
    name, *tokens = text.split(":")
    if name not in kinds:
        raise ValueError(f"{thing} must be one of {', '.join(kinds)}, not {name!r}")
    fields = msgspec.structs.fields(kinds[name])
    flags = {field.name.replace("_", "-"): field.name for field in fields if field.type is bool}
    numbers = [field for field in fields if field.type is not bool]
    values: dict[str, typing.Any] = {}
    for token in tokens:
        if token in flags and flags[token] not in values:
            values[flags[token]] = True
            continue
        try:
            field = numbers.pop(0)
            values[field.name] = _number(field.type, token)
        except (IndexError, ValueError):
            raise ValueError(f"{thing} must be {usage(kinds[name])}, not {text!r}") from None
    return kinds[name](**values)
