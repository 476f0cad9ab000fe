"""Recipes: what to train on which data, as a small TOML file."""

import dataclasses
import enum
import pathlib
import tomllib

import msgspec

from ternloom.files import shipped
from ternloom.files.decode import convert, said
from ternloom.model.cell import CELLS
from ternloom.model.mistake import Mistake
from ternloom.model.names import check_names
from ternloom.quantize import weights
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train import schedule


__all__ = ["Augment", "LanguageRecipe", "LoadedRecipe", "Optimizer", "Recipe", "RecipeError",
           "SequenceRecipe", "load_recipe"]


class RecipeError(Mistake, ValueError):
    """A recipe that cannot be what it claims to be."""


#: Epochs in floating point of a network that starts from nothing, if a recipe doesn't say.
_FLOAT_EPOCHS = 40


class Optimizer(enum.Enum):
    """What makes a step of a gradient."""

    #: Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    ADAMW = "adamw"
    #: Stochastic gradient descent, with or without momentum.
    SGD = "sgd"


def _check_ranges(struct, *ranges):
    for field, low, high in ranges:
        value = getattr(struct, field)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{field} must be from {low} to {high}, not {value!r}")


def _check_shares(struct, *ranges):
    for field, low, high in ranges:
        value = getattr(struct, field)
        if value is not None and not low <= value < high:
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
    """One training run: it is determined by this, the data and PyTorch's version.

    Parameters
    ----------
    name : str
    data : str
        Data file or folder, relative to the recipe.
    cell : enumeration of ``CELLS``
    units, layers : int
    quantization : QuantizationSpec or None
        Methods of weights and activations, and the widths between them.
    draw_weights : bool
        Draw weights at random, one sample a batch, by methods with a stochastic rule; the network
        that is made and measured has the deterministic codes.
    draw_activations : bool
        Likewise ternary activations, and gates that are comparators.
    draw_share : float
        Share of the quantized steps, from the first on, that draw; the others compare, as the
        network does that is made. Drawn to the last step, the network that is trained is not the
        one that is measured.
    warmth : float
        What the slope of drawn gates is multiplied by at first; it falls to one along an
        exponential while there are draws. Above one, gates start out smoother than they end (the
        slope is HitNet's, its schedule Ternloom's choice).
    start : str or None
        Float network to start from, relative to the recipe: Ternloom's own file, or a PyTorch
        ``state_dict`` in safetensors.
    float_epochs : int or None
        Epochs in floating point, which give the reference and the start of what follows. None:
        40, and none from a ``start``, which is the reference then.
    epochs : int
        Epochs with quantized weights and activations.
    optimizer : Optimizer
    momentum : float
        Of SGD.
    gradient_norm : float
        Largest norm of a step's gradient; a larger one is scaled down to it.
    learning_rate, float_learning_rate : float
        At their highest.
    warm_up, level : float
        Shares of a stage's steps in which the learning rate rises, and then stays at its highest.
    decay : str
        How it falls after them: ``cosine``, to zero at the stage's end, or ``divide:1.2``, after
        each epoch that is not the best on the validation part (``train/schedule.py``).
    batch : int
        Sequences a step of the optimizer.
    dropout : float
        Share of the readout's inputs that training sets to zero, and of a language model's word
        vectors.
    weight_decay : float
    dampening : float
        How much each step of the quantized stage pulls latent weights towards what their codes
        mean, in units of the learning rate, as weight decay pulls them to zero: weights whose best
        value lies between two levels then cross the cut less often (after Nagel et al. 2022, whose
        rule is a term of the loss; this form is Ternloom's choice).
    distillation : float or None
        Weight of the cross entropy with the float network's answers in the quantized stage. None:
        1 from a ``start``, which makes the float network its teacher, and else 0.
    seed, seeds : int
        The first of how many runs that differ in nothing but their seeds, each one more than the
        one before; the network that is kept is the best on the validation part.
    """

    name: str
    data: str
    cell: CELLS.names
    units: int
    layers: int = 1
    quantization: QuantizationSpec | None = None
    draw_weights: bool = False
    draw_activations: bool = False
    draw_share: float = 0.5
    warmth: float = 1.0
    start: str | None = None
    float_epochs: int | None = None
    epochs: int = 40
    optimizer: Optimizer = Optimizer.ADAMW
    momentum: float = 0.0
    gradient_norm: float = 1.0
    learning_rate: float = 0.003
    float_learning_rate: float = 0.005
    warm_up: float = 0.05
    level: float = 0.0
    decay: str = "cosine"
    batch: int = 64
    dropout: float = 0.0
    weight_decay: float = 0.0
    dampening: float = 0.0
    distillation: float | None = None
    seed: int = 1
    seeds: int = 1

    def __post_init__(self):
        _check_ranges(self, *_INTEGER_RANGES, *_CLOSED_RANGES)
        _check_shares(self, *_REAL_RANGES)
        schedule.parse(self.decay)
        if self.momentum and self.optimizer is not Optimizer.SGD:
            raise ValueError("momentum needs optimizer = \"sgd\", "
                             f"not {self.optimizer.value!r}")
        if self.quantization is None and self.needs_quantization:
            raise ValueError("the table quantization is missing")

    #: Whether the run ends in a quantized network.
    needs_quantization = True

    @property
    def stages(self):
        """Epochs of each stage, by its name."""
        fresh = _FLOAT_EPOCHS if self.start is None else 0
        return {"float": fresh if self.float_epochs is None else self.float_epochs,
                "quantized": self.epochs}

    @property
    def teacher_weight(self):
        """What the float network's answers count beside the data's in the quantized stage."""
        if self.distillation is None:
            return 0.0 if self.start is None else 1.0
        return self.distillation

    @property
    def cautions(self):
        """What is allowed but seldom meant, a line each."""
        if (self.draw_weights or self.draw_activations) and self.draw_share == 1:
            return ["draw_share is 1: training draws at random until its last step, so the network "
                    "that is trained is not the one that is measured; with a share below 1 the "
                    "last steps train the network as it will run"]
        return []


_INTEGER_RANGES = (
    ("units", 1, 4096), ("layers", 1, 16), ("float_epochs", 0, 100_000), ("epochs", 0, 100_000),
    ("batch", 1, 65_536), ("seed", 0, (1 << 31) - 1), ("seeds", 1, 100),
)
_CLOSED_RANGES = (("gradient_norm", 1e-6, 1e6), ("draw_share", 0, 1))
_REAL_RANGES = (
    ("learning_rate", 0, 1000), ("float_learning_rate", 0, 1000), ("warm_up", 0, 1),
    ("level", 0, 1), ("dropout", 0, 1), ("weight_decay", 0, 1), ("warmth", 1 / 16, 16),
    ("momentum", 0, 1), ("distillation", 0, 100), ("dampening", 0, 100),
)


class SequenceRecipe(Recipe, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Training to name the class of a sequence.

    Parameters
    ----------
    label_smoothing : float
    augment : Augment
    """

    label_smoothing: float = 0.0
    augment: Augment = Augment()

    def __post_init__(self):
        super().__post_init__()
        _check_shares(self, ("label_smoothing", 0, 1))


class LanguageRecipe(Recipe, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Training to predict the next word of a text.

    Parameters
    ----------
    inputs : int
        Elements of a word's vector.
    steps : int
        Words that a gradient reaches back over.
    words : str or None
        Weight method of the embedding, whose rows are words (Xu et al. 2018, section 4: each has
        coefficients of its own). What it makes is rounded to the input's format, which is
        ``quantization.embedding``'s.
    """

    inputs: int
    steps: int = 35
    words: str | None = None

    @property
    def needs_quantization(self):
        return self.epochs > 0

    def __post_init__(self):
        super().__post_init__()
        _check_ranges(self, ("inputs", 1, 4096), ("steps", 1, 1000))
        if self.words is not None:
            weights.parse(self.words)
            embedding = "none" if self.quantization is None else self.quantization.embedding
            if not embedding.startswith("fixed"):
                raise ValueError("words needs a fixed-point quantization.embedding, "
                                 f"not {embedding!r}")


#: Recipes by the key ``task``.
_TASKS = {"sequence": SequenceRecipe, "language": LanguageRecipe}


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
        """Data file or folder, found from the recipe's folder, or the shipped data of that name."""
        return shipped.path(self.path.parent / self.recipe.data, self.recipe.data)

    @property
    def start_path(self):
        """Float network to start from, found likewise, or None."""
        start = self.recipe.start
        return None if start is None else shipped.path(self.path.parent / start, start)


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
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not a recipe: it is not text") from error
    except ValueError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise RecipeError(f"{path} is not a recipe: its arrays are nested too deeply") from error
    task = table.pop("task", "sequence")
    if not isinstance(task, str) or task not in _TASKS:
        raise RecipeError(f"{path}: task must be one of {', '.join(_TASKS)}, not {said(task)}")
    for name in table:
        other = next((other for other, struct in _TASKS.items() if name in _keys(struct)), task)
        if name not in _keys(_TASKS[task]) and other != task:
            raise RecipeError(f"{path}: {name} needs task = {other!r}, not {task!r}")
    try:
        recipe = convert(_TASKS[task], table, ("task",))
        # What the trained network will say of itself is refused before it is trained.
        check_names("name", (recipe.name,), ValueError)
        check_names("name of the data", (recipe.data,), ValueError)
        check_names("name of the recipe", (path.name,), ValueError)
        return LoadedRecipe(recipe, path)
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from error


def _keys(struct):
    return [field.name for field in msgspec.structs.fields(struct)]
