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
    """Finds xarray like everyone else, and has the accessor registered once it is loaded."""

    def __init__(self) -> None:
        self.is_asking = False

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        """Spec of xarray with a loader that registers the accessor afterwards; None for all else."""
        if fullname != "xarray" or self.is_asking:
            return None
        self.is_asking = True
        try:
            spec = find_spec(fullname)
        finally:
            self.is_asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader, self)
        return spec


class _Registering(Loader):
    """A loader that stands in for another until the module is loaded."""

    def __init__(self, loader: Loader, finder: _AfterXarray):
        self.loader, self.finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader does."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the loader does, then register the accessor and leave no trace."""
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        self.loader.exec_module(module)
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        import_module(ACCESSOR)


def register_accessor() -> None:
    """Register `ds.qtm` now if xarray is loaded, else as soon as it is."""
    if "xarray" in sys.modules:
        import_module(ACCESSOR)
    elif not any(isinstance(finder, _AfterXarray) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterXarray())
