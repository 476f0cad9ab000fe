"""The record of a training run: what it was made of, what came out, and what it took."""

import json
import pathlib
import platform

import torch

from ternloom.files.durable import digest
from ternloom.train.corpus import texts


__all__ = ["is_of", "processor", "record", "write"]


def _source(path):
    """Digest of a data file, or those of a folder's texts by name."""
    if path.is_dir():
        return {text.name: digest(text) for text in texts(path)}
    return {path.name: digest(path)}


def processor():
    """The processor's name, as far as the system tells."""
    info = pathlib.Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def record(loaded, result, made, device):
    """What somebody needs who repeats a run, or doubts it, as JSON values.

    Parameters
    ----------
    loaded : LoadedRecipe
        As it was trained, with its data and its start.
    result : TrainingResult
    made : dict of str to pathlib.Path
        What was written, by what it is.
    device : torch.device
        What trained.

    Returns
    -------
    dict
        SHA-256 digests of the recipe, its data and all that was written; the scores of each seed;
        epochs of each stage; processor seconds a seed, of one thread; PyTorch's version; the GPU's
        name if one has trained.
    """
    recipe, start = loaded.recipe, loaded.start_path
    return {
        "name": recipe.name,
        "recipe": _source(loaded.path),
        "data": _source(loaded.data_path),
        "start": start and _source(start),
        "written": {what: digest(path) for what, path in made.items()},
        "epochs": recipe.stages,
        "seeds": {str(seed): {name: {"valid": score.valid, "test": score.test}
                              for name, score in run.scores.items()}
                  for seed, run in result.runs.items()},
        "kept": result.seed,
        "seconds": {str(seed): round(run.seconds, 1) for seed, run in result.runs.items()},
        "torch": torch.__version__,
        "processor": processor(),
        **_gpu(device),
    }


def _gpu(device):
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def is_of(path, loaded):
    """Whether a file is the record of a run of a recipe of this file name and name."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return (isinstance(values, dict) and values.get("name") == loaded.recipe.name
            and isinstance(values.get("recipe"), dict)
            and list(values["recipe"]) == [loaded.path.name] and "written" in values)


def write(path, values):
    """Write a record as a JSON file."""
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
