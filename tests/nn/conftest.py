"""timm's models without torchvision, which torch's CPU build has none of that works."""

import importlib.abc
import importlib.machinery
import sys
import types

import pytest


class _Anything(type):
    """A class that has whatever is asked of it."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def _anything(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Anything(name, (), {})


class _NoTorchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """timm wants torchvision, for pictures and not for its models; torch's CPU build has none here."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = _anything
        return module

    def exec_module(self, module):
        pass


@pytest.fixture(scope="module")
def timm():
    finder = _NoTorchvision()
    sys.meta_path.insert(0, finder)
    try:
        yield pytest.importorskip("timm")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
