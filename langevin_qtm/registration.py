"""`ds.qtm` for every xarray dataset, without importing xarray before anyone else does."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

ACCESSOR = "langevin_qtm.inspection.accessor"


class _AfterXarray(MetaPathFinder):
    """Finds xarray like everyone else, once, and has the accessor registered when it is loaded."""

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        """Spec of xarray whose loader registers the accessor afterwards; None for all else."""
        if fullname != "xarray":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


class _Registering(Loader):
    """A loader, and then the accessor."""

    def __init__(self, loader: Loader):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader would."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the loader would, then register."""
        self.loader.exec_module(module)
        import_module(ACCESSOR)

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)  # resources, source


def register_accessor() -> None:
    """Register `ds.qtm` now if xarray is loaded, else as soon as it is."""
    if "xarray" in sys.modules:
        import_module(ACCESSOR)
    elif not any(isinstance(finder, _AfterXarray) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterXarray())
