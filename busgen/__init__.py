"""busgen: a factory for synthetic breast-ultrasound datasets. NOT FOR CLINICAL USE."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from busgen.factory.library import Dataset, generate

__version__ = "0.1.0"
__all__ = ["Dataset", "__version__", "generate"]

NOT_FOR_CLINICAL_USE = "SYNTHETIC DATA - NOT FOR CLINICAL USE"


def __getattr__(name: str) -> object:
    """Import the factory only when it is used: `import busgen` stays light."""
    if name in {"Dataset", "generate"}:
        from busgen.factory import library

        return getattr(library, name)
    raise AttributeError(f"module 'busgen' has no attribute {name!r}")
