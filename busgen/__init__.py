"""busgen: a factory for synthetic breast-ultrasound datasets. NOT FOR CLINICAL USE."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from busgen.evaluation.score_sets import score
    from busgen.factory.library import generate
    from busgen.release.dataset import Dataset, load

__version__ = "0.1.0"
__all__ = ["Dataset", "__version__", "generate", "load", "score"]

NOT_FOR_CLINICAL_USE = "SYNTHETIC DATA - NOT FOR CLINICAL USE"
_PLACES = {
    "Dataset": "release.dataset",
    "generate": "factory.library",
    "load": "release.dataset",
    "score": "evaluation.score_sets",
}


def __getattr__(name: str) -> object:
    """Import what is used only when it is used: `import busgen` stays light."""
    if name in _PLACES:
        return getattr(import_module(f"busgen.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'busgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names that are there, and those that are imported when they are used."""
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "import_module"})
