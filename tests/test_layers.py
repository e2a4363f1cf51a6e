"""Import direction: physics below the solvers, the solvers below data and command line, none beside another.

The agreement of the solvers is evidence only while they share no more than the description of a machine.
"""

import ast
from pathlib import Path

import pytest

import langevin_qtm

ROOT = Path(langevin_qtm.__file__).parent
PACKAGE = ROOT.name
HELPERS = Path(__file__).parent / "helpers"

# What modules of a layer may import, besides their own layer and the world outside.
MAY_IMPORT = {
    "errors": set(),
    "compiled": set(),
    "progress": set(),
    "interruption": set(),
    "tasks": {"interruption", "progress"},
    "physics": {"errors"},
    "schema": {"physics"},
    "transients": {"compiled", "errors", "physics", "schema"},
    "exact": {"compiled", "errors", "physics", "schema"},
    "sampling": {"compiled", "errors", "physics", "progress", "schema", "tasks", "exact.fluctuations"},
    "stability": {"errors", "physics", "schema"},
    "data": {"compiled", "errors", "physics", "schema", "sampling.settings"},
}
SOLVERS = (
    "exact.second_order",
    "exact.periodic_steady_state",
    "transients.transient",
    "sampling.simulate",
)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}


def imports(source):
    """Modules of the package that a source imports, at top level or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, inner = name.partition(".")
            if top == PACKAGE:
                while inner and inner not in MODULES:
                    inner = inner.rpartition(".")[0]
                found.add(inner)
    return found


def within(module, layer):
    return module == layer or module.startswith(f"{layer}.")


def trespasses(layer, source):
    """Imports that a module of the layer may not have."""
    allowed = {layer, *MAY_IMPORT[layer]}
    return {name for name in imports(source) if not any(within(name, home) for home in allowed)}


def reach(module):
    """Everything that importing a module brings in, itself left out."""
    reached, waiting = set(), [module]
    while waiting:
        for name in imports(MODULES[waiting.pop()]) - reached:
            reached.add(name)
            waiting.append(name)
    return reached


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_no_module_imports_upwards_or_sideways(layer):
    members = {name: source for name, source in MODULES.items() if within(name, layer)}
    assert members
    assert {name: bad for name, source in members.items() if (bad := trespasses(layer, source))} == {}


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_do_not_reach_each_other_even_indirectly(solver):
    assert reach(solver).isdisjoint(set(SOLVERS) - {solver})


@pytest.mark.parametrize("solver", SOLVERS[:3])
def test_exact_solvers_do_not_reach_the_sampler(solver):
    assert not any(within(name, "sampling") for name in reach(solver))


def test_no_module_imports_itself_in_a_circle():
    for module in MODULES:
        if module:  # the package itself names everything, on first use
            assert module not in reach(module), module


@pytest.mark.parametrize(
    "helper", ["time_domain.py", "published.py", "finite_bath.py", "frequency_transient.py"]
)
def test_independent_references_share_no_code_with_the_package(helper):
    assert imports((HELPERS / helper).read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("physics", "from langevin_qtm.exact.quadrature import integrate"),
        ("physics", "from langevin_qtm import schema"),
        ("exact", "import langevin_qtm.sampling.simulate"),
        ("exact", "from langevin_qtm.data.files import open_dataset"),
        ("exact", "from langevin_qtm import simulate"),
        ("sampling", "from langevin_qtm.exact.periodic_steady_state import periodic_steady_state"),
        ("sampling", "def f():\n    from langevin_qtm.exact import second_order"),
        ("sampling", "from langevin_qtm.exact.responses import Responses"),
        ("stability", "from langevin_qtm.exact.responses import Responses"),
        ("data", "from langevin_qtm import cli"),
    ],
)
def test_a_forbidden_import_would_be_seen(layer, line):
    assert trespasses(layer, line)


def test_permitted_imports_pass():
    source = "import numpy\nfrom langevin_qtm.physics import thermodynamics\nfrom langevin_qtm import schema"
    assert imports(source) == {"physics.thermodynamics", "schema"}
    assert trespasses("exact", source) == set()
