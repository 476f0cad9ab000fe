"""Quantization-aware training in PyTorch: recipes, classifiers, language models."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "recipe": ["LanguageRecipe", "RecipeError", "SequenceRecipe", "load_recipe"],
        "run": ["TrainingResult", "train"],
    })
