"""The training loop: stages of epochs over a task, with a curve and checkpoints."""

import abc
import dataclasses
import hashlib
import time

import msgspec
import torch

from ternloom.train import checkpoint, schedule
from ternloom.train.graph import Step
from ternloom.train.recipe import Optimizer, RecipeError


__all__ = ["Epoch", "Loop", "Task"]


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One line of the training curve.

    Parameters
    ----------
    stage : str
        ``"float"`` or ``"quantized"``.
    epoch : int
        From 1.
    loss : float
        Mean over the training batches, as the network saw them.
    valid_loss : float
        As training has it: cross entropy in nats, or mean square error.
    valid_score : float
    metric : str
        What the score is: "accuracy", the share of right answers from 0 to 1, or "rmse".
    """

    stage: str
    epoch: int
    loss: float
    valid_loss: float
    valid_score: float
    metric: str = "accuracy"


class Task(abc.ABC):
    """What a network is trained on.

    Attributes
    ----------
    batches : int
        Steps of the optimizer in an epoch.
    generator : torch.Generator
        All that an epoch draws about its batches comes from here.
    metric : str
        What ``measure`` gives beside the loss, as an ``Epoch`` has it.
    """

    metric = "accuracy"

    @abc.abstractmethod
    def epoch(self):
        """Batches of one epoch; the same ones if ``generator`` starts from the same state."""

    @abc.abstractmethod
    def loss(self, network, batch, teacher):
        """Loss of a batch, a tensor; ``teacher`` is a float network or None."""

    @abc.abstractmethod
    def measure(self, network):
        """Mean loss and score on the validation part."""

    @abc.abstractmethod
    def rank(self, loss, score):
        """Key by which the best epoch has the largest."""

    #: Whether all batches have one shape and are on a GPU, so that a step can be captured.
    captured = False

    def hold(self, network, teacher):
        """Give what is carried from batch to batch a place, before steps are captured."""

    def rest(self):
        """Put what a batch has carried there."""

    def state(self):
        """Tensors by name that the next batch depends on."""
        return {}

    def restore(self, state):
        """Take back what ``state`` gave."""


@dataclasses.dataclass
class _Run:
    """Where a stage stands; everything here is in a checkpoint."""

    stage: str
    epoch: int = 1
    #: Batches of the epoch that are done, and the sum of their losses.
    position: int = 0
    loss: float = 0.0
    rank: tuple = ()
    #: Epochs that were not the best when they ended.
    worse: int = 0


def _optimizer(recipe, network, learning_rate, captured=False):
    """What steps along the gradients of a network; one that is captured finds its rate in a tensor.
    """
    if captured:
        device = next(network.parameters()).device
        learning_rate = torch.tensor(float(learning_rate), device=device)
    if recipe.optimizer is Optimizer.SGD:
        return torch.optim.SGD(network.parameters(), learning_rate, momentum=recipe.momentum,
                               weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.AdamW(network.parameters(), learning_rate,
                             weight_decay=recipe.weight_decay, fused=True, capturable=captured)


def _set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


class Loop:
    """Runs stages of epochs, from the beginning or from where a checkpoint ends.

    Parameters
    ----------
    recipe : Recipe
    task : Task
    checkpoints : Checkpoints or None
        The one that is there is read, then others are written.
    progress : callable or None
        Called after each step with the curve, the batches done and those of the stage.

    Raises
    ------
    RecipeError
        A checkpoint of another recipe.
    """

    def __init__(self, recipe, task, checkpoints=None, progress=None):
        self._recipe, self._task, self._progress = recipe, task, progress
        self._decay = schedule.parse(recipe.decay)
        self._checkpoints = checkpoints
        self._digest = hashlib.sha256(msgspec.json.encode(recipe)).hexdigest()
        self._finished, self._pending = {}, None
        self._began, self._before = time.process_time(), 0.0
        self.curve = []
        if checkpoints is not None and checkpoints.path.exists():
            self._resume(checkpoints.path)

    @property
    def seconds(self):
        """Processor time so far, that of the runs before a kill included."""
        return self._before + time.process_time() - self._began

    def _resume(self, path):
        tensors, facts = checkpoint.load(path)
        if facts["recipe"] != self._digest:
            raise RecipeError(f"Checkpoint {path} belongs to another recipe, or to another version "
                              "of this one; delete it to restart")
        self.curve, self._before = [Epoch(*line) for line in facts["curve"]], facts["seconds"]
        finished = tensors.pop("finished", {})
        self._finished = {name: checkpoint.section(name, finished) for name in facts["finished"]}
        self._pending = tensors, _Run(**facts["run"])

    def _save(self, run, network, optimizer, best, begun):
        state = {f"{index}.{name}": tensor
                 for index, values in optimizer.state_dict()["state"].items()
                 for name, tensor in values.items() if tensor is not None}
        self._write(run, {"network": network.state_dict(), "best": best, "optimizer": state,
                          "task": self._task.state(),
                          "random": {"begun": begun, "torch": torch.get_rng_state(), **_cuda()}})

    def _write(self, run, sections):
        finished = {f"{stage}.{name}": tensor for stage, state in self._finished.items()
                    for name, tensor in state.items()}
        self._checkpoints.save(sections | {"finished": finished}, {
            "recipe": self._digest, "seconds": self.seconds, "finished": list(self._finished),
            "run": dataclasses.asdict(dataclasses.replace(run, loss=float(run.loss))),
            "curve": [dataclasses.astuple(line) for line in self.curve]})

    def finish(self):
        """Write a checkpoint from which all stages are there at once."""
        if self._checkpoints is not None:
            self._write(_Run("finished"), {})

    def stage(self, name, network, epochs, learning_rate, teacher=None):
        """Train in place; the weights of the best epoch on the validation part stay.

        Parameters
        ----------
        name : str
        network : nn.Module
            With methods ``clip`` and ``draw``.
        epochs : int
        learning_rate : float
            At its highest.
        teacher : nn.Module or None
        """
        if name in self._finished:
            network.load_state_dict(self._finished[name])
            return
        captured = self._task.captured and not (self._recipe.draw_weights
                                                or self._recipe.draw_activations)
        optimizer = _optimizer(self._recipe, network, learning_rate, captured)
        step = self._update(network, optimizer, teacher)
        if captured:
            network.train()
            self._task.hold(network, teacher)
            step = Step(step)
        run, best, begun = _Run(name), {}, None
        if self._pending is not None:
            tensors, run = self._pending
            self._pending = None
            network.load_state_dict(tensors["network"])
            best, begun = tensors.get("best", {}), tensors["random"]["begun"]
            _restore_optimizer(optimizer, tensors.get("optimizer", {}))
            self._task.generator.set_state(begun)
        while run.epoch <= epochs:
            begun = self._task.generator.get_state()
            for batch in self._batches(run, tensors if run.position else None):
                self._step(network, optimizer, batch, step, run, epochs, learning_rate)
                if self._checkpoints is not None and self._checkpoints.due:
                    self._save(run, network, optimizer, best, begun)
            best = self._close(run, network, best)
            run.epoch, run.position, run.loss = run.epoch + 1, 0, 0.0
        if best:
            network.load_state_dict(best)
        self._finished[name] = {key: value.clone() for key, value in network.state_dict().items()}

    def _batches(self, run, tensors):
        """Batches of the epoch that are still to be done."""
        batches = self._task.epoch()
        for _ in range(run.position):
            next(batches)
        if tensors is not None:
            self._task.restore(tensors.get("task", {}))
            torch.set_rng_state(tensors["random"]["torch"])
            if "cuda" in tensors["random"]:
                torch.cuda.set_rng_state(tensors["random"]["cuda"])
        return batches

    def _update(self, network, optimizer, teacher):
        """What makes a step of a batch, but for its rate, and gives its loss."""
        recipe = self._recipe

        def update(batch):
            loss = self._task.loss(network, batch, teacher)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)
            optimizer.step()
            if recipe.dampening:
                network.dampen(optimizer.param_groups[0]["lr"] * recipe.dampening)
            network.clip()
            self._task.rest()
            return loss.detach()

        return update

    def _step(self, network, optimizer, batch, update, run, epochs, learning_rate):
        network.train()
        step = (run.epoch - 1) * self._task.batches + run.position
        steps = epochs * self._task.batches
        recipe = self._recipe
        factor = self._decay.factor(step, steps, recipe.warm_up, recipe.level, run.worse)
        _set_rate(optimizer, learning_rate * factor)
        drawn = recipe.draw_share * steps
        draws = step < drawn
        network.draw(recipe.draw_weights and draws, recipe.draw_activations and draws,
                     recipe.warmth ** (1 - step / drawn) if draws else 1.0)
        loss = update(batch)
        run.position += 1
        # The sum stays where it is, so that no step waits for a GPU.
        run.loss = run.loss + loss.double()
        if self._progress is not None:
            self._progress(run.stage, step + 1, steps, self.curve)

    def _close(self, run, network, best):
        """Measure after an epoch; the state of the best one so far."""
        network.eval()
        loss, score = self._task.measure(network)
        self.curve.append(Epoch(run.stage, run.epoch, float(run.loss) / run.position, loss, score,
                                self._task.metric))
        rank = self._task.rank(loss, score)
        if best and rank <= tuple(run.rank):
            run.worse += 1
            return best
        run.rank = rank
        return {key: value.clone() for key, value in network.state_dict().items()}


def _cuda():
    """State of the GPU's generator, if there is one."""
    return {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {}


def _restore_optimizer(optimizer, tensors):
    """Put moments and step counts back; learning rates are set at every step anyway."""
    state = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
