"""Write the tables of runs in ``docs/papers.md`` from the records beside the recipes.

    python -m ternloom.train.papers examples docs/papers.md
"""

import argparse
import json
import math
import pathlib
import statistics

from ternloom.files.dataset import load as load_dataset
from ternloom.train.recipe import LanguageRecipe, load_recipe
from ternloom.train.report import methods, with_table


__all__ = ["accuracies", "main", "perplexities", "wilson"]


#: Deviations either way that 95 of 100 draws from a normal distribution stay within.
_NORMAL = 1.959964


def wilson(share, count):
    """Wilson's interval at 95 % of a share of ``count`` trials, both ends from 0 to 1.

    E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, 1927.
    """
    square = _NORMAL**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = _NORMAL / (1 + square / count) * math.sqrt(
        share * (1 - share) / count + square / (4 * count**2))
    return middle - reach, middle + reach


def _spread(values, digits=2):
    """Mean and deviation of a sample as text; one value alone has no deviation."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def _records(folder, kind):
    """Recipes of a kind that have a record beside them, each with it, by name."""
    for path in sorted(folder.glob("*.json")):
        recipe = path.with_suffix(".toml")
        if recipe.is_file():
            loaded = load_recipe(recipe)
            if isinstance(loaded.recipe, LanguageRecipe) == kind:
                yield loaded, json.loads(path.read_text(encoding="utf-8"))


def _tests(record, name):
    return [scores[name]["test"] for scores in record["seeds"].values() if name in scores]


def _cost(record):
    """Epochs, processor seconds a seed and the start of the network's digest."""
    epochs = [str(count) for count in record["epochs"].values() if count]
    seconds = record["seconds"].values()
    network = record["written"].get("network")
    return [" + ".join(epochs), f"{statistics.fmean(seconds):,.0f}" if seconds else "not kept",
            f"`{network[:12]}`" if network else "not kept"]


def _table(head, rows):
    """Markdown; a heading that begins with ``>`` stands over numbers."""
    lines = ["| " + " | ".join(name.lstrip(">") for name in head) + " |",
             "|" + "|".join("--:" if name.startswith(">") else "---" for name in head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def accuracies(folder):
    """The table of classifiers, in percent of the test part.

    Gaps are paired by seed. The interval is Wilson's for the kept network alone.
    """
    rows = []
    for loaded, record in _records(folder, False):
        recipe = loaded.recipe
        before, after = ([100 * share for share in _tests(record, name)]
                         for name in ("float", "integer"))
        kept = record["seeds"][str(record["kept"])]["integer"]["test"]
        count = len(load_dataset(loaded.data_path).part("test").sequences)
        low, high = wilson(kept, count)
        gaps = [one - other for one, other in zip(before, after, strict=True)]
        rows.append([f"`{recipe.name}`", methods(recipe.quantization.weights),
                     recipe.quantization.activations, str(len(after)), _spread(before),
                     _spread(after), _spread(gaps), f"{100 * kept:.2f}",
                     f"{100 * low:.1f} to {100 * high:.1f}", *_cost(record)])
    return _table(["recipe", "weights", "h", ">seeds", ">float", ">integer", ">gap", ">kept",
                   ">95 %", ">epochs", ">seconds a seed", "network"], rows)


def perplexities(folder):
    """The table of language models: perplexity per word of the test text."""
    rows = []
    for loaded, record in _records(folder, True):
        recipe, spec = loaded.recipe, loaded.recipe.quantization
        before, after = (_tests(record, name) for name in ("float", "integer"))
        # All seeds start from one network where it is given.
        before = before[:1] if recipe.start and after else before
        rows.append([f"`{recipe.name}`", "" if spec is None else methods(spec.weights),
                     "" if spec is None else spec.activations, str(len(record["seeds"])),
                     _spread(before), _spread(after) if after else "", *_cost(record)])
    return _table(["recipe", "weights", "h", ">seeds", ">float", ">integer", ">epochs",
                   ">seconds a seed", "network"], rows)


#: What makes the table between each pair of marks.
_TABLES = {"accuracies": accuracies, "perplexities": perplexities}


def main(arguments=None):
    """Put the tables between their marks."""
    parser = argparse.ArgumentParser(prog="python -m ternloom.train.papers", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path,
                        help="folder of recipes and records")
    parser.add_argument("path", metavar="PATH", type=pathlib.Path, help="document to write into")
    options = parser.parse_args(arguments)
    try:
        text = options.path.read_text(encoding="utf-8")
        for name, make in _TABLES.items():
            text = with_table(text, name, make(options.folder))
        options.path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
