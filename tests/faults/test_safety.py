"""No code comes from a run file or a dataset, and paths are what they say."""

import ast
from pathlib import Path

import pytest
from helpers.commands import command
from helpers.fuzzing import VALID, document

import langevin_qtm

ROOT = Path(langevin_qtm.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
EVALUATE = {"eval", "exec", "compile", "__import__"}
UNPICKLE = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
    "runpy",
}
BY_NAME = {"system", "popen", "import_module", "literal_eval", "load_module", "read_pickle", "unsafe_load"}

OWN_MODULES = {"__init__.py", "registration.py"}  # import modules of the package by names of their own


def dangers(source):
    """Calls and imports that could run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in UNPICKLE]
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in UNPICKLE:
                found.append(node.module)
            found += [alias.name for alias in node.names if alias.name in BY_NAME]
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in EVALUATE | BY_NAME:
                found.append(function.id)
            if isinstance(function, ast.Attribute) and function.attr in BY_NAME:
                found.append(function.attr)
            for keyword in node.keywords:
                is_off = isinstance(keyword.value, ast.Constant) and not keyword.value.value
                if keyword.arg in ("allow_pickle", "shell") and not is_off:
                    found.append(keyword.arg)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_runs_what_a_file_says(path):
    found = dangers(path.read_text(encoding="utf-8"))
    if path.name in OWN_MODULES:
        found = [each for each in found if each != "import_module"]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "exec(text)",
        "import pickle",
        "from pickle import loads",
        "yaml.load(text)\nimport yaml",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "importlib.import_module(name)",
        "pd.read_pickle(path)",
    ],
)
def test_a_danger_would_be_seen(line):
    assert dangers(line)


def test_harmless_code_passes():
    assert dangers("import json\nnp.load(path, allow_pickle=False)\nre.compile(text)\nmodel.evaluate()") == []


CODE = (
    "__import__('pathlib').Path('ran').touch()",
    "{open('ran','w')}",
    "$(touch ran)",
    "`touch ran`",
    "%(ran)s",
)


@pytest.mark.parametrize("text", CODE)
def test_code_in_a_run_file_stays_text(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    reservoirs = [VALID[0]["reservoir"][0] | {"name": text}, VALID[0]["reservoir"][1]]
    Path("run.toml").write_text(document(VALID[0] | {"title": text, "reservoir": reservoirs}))
    assert command(["run", "run.toml", "-o", "out.nc", "--quiet"], 30).status == 0
    for key in ("medium.wiring", "reservoir.static.temperature", "drive.frequency"):
        assert command(["run", "run.toml", "-o", "no.nc", "--set", f"{key}={text}"], 30).status == 2
    assert command(["info", "out.nc"], 30).status == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.nc", "run.toml"]


@pytest.mark.parametrize(
    "file", ["~/earlier.nc", "$HOME/earlier.nc", "*.nc", "http://localhost/x.nc", "../../etc"]
)
def test_paths_in_a_run_file_are_what_they_say(tmp_path, monkeypatch, file):
    """Neither home nor environment nor patterns nor addresses are put in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "earlier.nc").write_bytes(b"CDF")
    start = {"kind": "continued", "file": file}
    solver = {"method": "transient", "duration": 1.0, "start": start}
    Path("run.toml").write_text(document(VALID[0] | {"solver": solver}))
    outcome = command(["run", "run.toml", "-o", "out.nc"], 30)
    assert outcome.status == 2
    assert f"Dataset `{file}` does not exist or is not a file" in outcome.err
