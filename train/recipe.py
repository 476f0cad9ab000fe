"""Recipes: what to train on which data, as a small TOML file."""

import dataclasses
import enum
import pathlib
import tomllib

import msgspec

from ternloom.model.format import Fixed
from ternloom.model.network import Cell, Precision, Weight


__all__ = ["Activation", "Augment", "LoadedRecipe", "Recipe", "RecipeError", "load_recipe"]


class RecipeError(ValueError):
    """A recipe that cannot be what it claims to be."""


class Activation(enum.Enum):
    """Alphabets of activation codes."""

    BINARY  = "binary"
    TERNARY = "ternary"
    PLANES  = "planes"
    FIXED   = "fixed"


def _check_ranges(struct, *ranges):
    for field, low, high in ranges:
        value = getattr(struct, field)
        if not low <= value <= high:
            raise ValueError(f"{field} must be from {low} to {high}, not {value!r}")


def _check_shares(struct, *ranges):
    for field, low, high in ranges:
        value = getattr(struct, field)
        if not low <= value < high:
            raise ValueError(f"{field} must be from {low} to below {high}, not {value!r}")


class Augment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Random changes of the training sequences, drawn anew each epoch; zero turns one off.

    Parameters
    ----------
    stretch : float
        Time is scaled by a factor from ``1 - stretch`` to ``1 + stretch``.
    noise : float
        Deviation of the noise on each element, in deviations of the input.
    offset : float
        Deviation of a constant that is added to each input of a sequence.
    trim : int
        Up to so many steps are cut off each end, as long as four remain.
    mask : int
        Up to so many consecutive steps are set to zero.
    """

    stretch: float = 0.0
    noise: float = 0.0
    offset: float = 0.0
    trim: int = 0
    mask: int = 0

    def __post_init__(self):
        _check_ranges(self, ("trim", 0, 1000), ("mask", 0, 1000))
        _check_shares(self, ("stretch", 0, 1), ("noise", 0, 10), ("offset", 0, 10))


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One training run: it is determined by this, the data file and PyTorch's version.

    Parameters
    ----------
    name : str
    data : str
        Data file, relative to the recipe.
    cell : Cell
    units, layers : int
    weights : Weight
        Alphabet of the recurrent layers' weights.
    weight_planes : int
        Sign planes of ``planes`` weights.
    per_row : bool
        A scale for each row of a matrix instead of one for the matrix; planes always have it.
    power_of_two : bool
        Scales of binary and ternary weights are powers of two, so that no multiplier is needed.
    coefficient_bits : int
        Bits of the integer coefficients where they aren't powers of two.
    activations : Activation
    activation_bits : int
        Width of ``fixed`` activations.
    activation_planes : int
        Sign planes of ``planes`` activations.
    threshold : float
        Of ``ternary`` activations: a state of at least this magnitude isn't zero.
    readout_weights : Weight
    readout_planes : int
    preact_width, preact_frac, gate_frac, state_frac : int
        Of the network's ``Precision``.
    float_epochs : int
        Epochs in floating point, which give the reference and the start of what follows.
    epochs : int
        Epochs with quantized weights and activations.
    learning_rate, float_learning_rate : float
        At their highest; both fall to zero along a cosine.
    batch : int
        Sequences a step of the optimizer.
    dropout : float
        Share of the readout's inputs that training sets to zero.
    weight_decay : float
    label_smoothing : float
    distillation : float
        Weight of the cross entropy with the float network's answers.
    seed : int
    augment : Augment
    """

    name: str
    data: str
    cell: Cell
    units: int
    layers: int = 1
    weights: Weight
    weight_planes: int = 2
    per_row: bool = False
    power_of_two: bool = True
    coefficient_bits: int = 8
    activations: Activation
    activation_bits: int = 8
    activation_planes: int = 2
    threshold: float = 0.5
    readout_weights: Weight = Weight.TERNARY
    readout_planes: int = 2
    preact_width: int = 10
    preact_frac: int = 6
    gate_frac: int = 8
    state_frac: int = 11
    float_epochs: int = 40
    epochs: int = 40
    learning_rate: float = 0.003
    float_learning_rate: float = 0.005
    batch: int = 64
    dropout: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    distillation: float = 0.0
    seed: int = 1
    augment: Augment = Augment()

    def __post_init__(self):
        _check_ranges(self, *_INTEGER_RANGES)
        _check_shares(self, *_REAL_RANGES)
        # The ranges of the rest are the network's own.
        self.precision(state_bits=5)

    def precision(self, state_bits):
        """The network's ``Precision`` with so many bits above the state's fraction."""
        return Precision(preact=Fixed(self.preact_width, self.preact_frac),
                         gate_frac=self.gate_frac,
                         state=Fixed(self.state_frac + state_bits, self.state_frac))


_INTEGER_RANGES = (
    ("units", 1, 4096), ("layers", 1, 16), ("weight_planes", 1, 4), ("readout_planes", 1, 4),
    ("coefficient_bits", 2, 12), ("activation_bits", 2, 16), ("activation_planes", 1, 4),
    ("float_epochs", 0, 100_000), ("epochs", 0, 100_000), ("batch", 1, 65_536),
    ("seed", 0, (1 << 31) - 1),
)
_REAL_RANGES = (
    ("threshold", 1 / 256, 1), ("learning_rate", 0, 10), ("float_learning_rate", 0, 10),
    ("dropout", 0, 1), ("weight_decay", 0, 1), ("label_smoothing", 0, 1), ("distillation", 0, 100),
)


def _refuse_unknown(name, table, struct):
    known = [field.name for field in msgspec.structs.fields(struct)]
    for key in table:
        if key not in known:
            raise RecipeError(f"{name} must not have the key {key!r}, "
                              f"known ones are {', '.join(known)}")


@dataclasses.dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and where it is.

    Parameters
    ----------
    recipe : Recipe
    path : pathlib.Path
    """

    recipe: Recipe
    path: pathlib.Path

    @property
    def data_path(self):
        """Data file, found from the recipe's folder."""
        return self.path.parent / self.recipe.data


def load_recipe(path):
    """Read a recipe.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    LoadedRecipe

    Raises
    ------
    RecipeError
        With one line that names the file and what is wrong with it.
    """
    path = pathlib.Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} must be a readable recipe: {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"{path} must be a TOML file: {error}") from error
    _refuse_unknown(str(path), table, Recipe)
    if isinstance(table.get("augment"), dict):
        _refuse_unknown(f"augment in {path}", table["augment"], Augment)
    try:
        return LoadedRecipe(msgspec.convert(table, Recipe), path)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from error
