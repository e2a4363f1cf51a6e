"""Extreme but legal physics runs and validates; where a route is not defined, one sentence says so."""

import pytest
from helpers.commands import command, implausible
from helpers.fuzzing import document

from langevin_qtm.data.files import open_dataset

SECONDS = 120.0
SETTINGS = {
    "second_order": {},
    "periodic_steady_state": {},
    "transient": {"duration": 5.0, "points": 3, "start": "factorised"},
    "simulate": {"trajectories": 64, "periods": 64, "threads": 1, "start": "steady"},
}


def machine(frequencies, temperature=0.1, static_gamma=1.0, driven_gamma=0.4, reservoirs=2, wiring="joint"):
    """One driven reservoir, the others static and ever hotter."""
    first, *others = frequencies
    coupling = {first: {"amplitude": 1.0}} | {name: {"amplitude": 0.5, "phase": 1.57} for name in others[:1]}
    driven = {"kind": "drude", "gamma": driven_gamma, "cutoff": 5.0}
    static = {"kind": "drude", "gamma": static_gamma, "cutoff": 9.0}
    tables = [
        {"name": "driven", "temperature": temperature, "spectral_density": driven, "coupling": coupling}
    ]
    for k in range(1, reservoirs):
        tables.append({"name": f"s{k}", "temperature": temperature * (1 + k), "spectral_density": static})
    return {
        "medium": {"frequencies": frequencies, "wiring": wiring},
        "drive": {"frequency": 0.7},
        "reservoir": tables,
    }


ONE, TWO, EQUAL = {"A": 1.0}, {"A": 1.0, "B": 0.6}, {"A": 1.0, "B": 1.0}
SIX = dict(zip("ABCDEF", (1.0, 0.9, 0.8, 0.7, 0.6, 0.5), strict=True))
MACHINES = {
    "T = 0": machine(TWO, temperature=0.0),
    "weak drive": machine(TWO, driven_gamma=1e-12),
    "weak static": machine(TWO, static_gamma=1e-12),
    "equal frequencies": machine(EQUAL),
    "equal frequencies, independent": machine(EQUAL, wiring="independent"),
    "one oscillator": machine(ONE),
    "six oscillators": machine(SIX),
    "five reservoirs": machine(TWO, reservoirs=5),
    "five reservoirs at T = 0": machine(TWO, temperature=0.0, reservoirs=5),
}
# Routes that are not defined, and what is said of them.
UNDEFINED = {
    ("weak static", "second_order"): "rounding; loosen `tolerance`",  # lines as narrow as ε times frequencies
    ("equal frequencies", "second_order"): "needs static reservoirs that damp every mode",
}


def check(tmp_path, name, method):
    """Run and validate, or be told why not."""
    run, output = tmp_path / "run.toml", tmp_path / "out.nc"
    run.write_text(document(MACHINES[name] | {"solver": {"method": method, **SETTINGS[method]}}))
    outcome = command(["run", str(run), "-o", str(output), "--quiet"], SECONDS)
    if (name, method) in UNDEFINED:
        assert outcome.status in (1, 2)
        assert outcome.is_sentence
        assert UNDEFINED[name, method] in outcome.err
        return
    assert (outcome.status, outcome.err) == (0, "")
    if method != "simulate":
        assert implausible(open_dataset(output)) == []
    if method != "transient":
        validation = command(["validate", str(output)], SECONDS)
        assert validation.status == 0, validation.out


@pytest.mark.parametrize("method", ["second_order", "periodic_steady_state"])
@pytest.mark.parametrize("name", MACHINES)
def test_extreme_machine_periodic(tmp_path, name, method):
    check(tmp_path, name, method)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["transient", "simulate"])
@pytest.mark.parametrize("name", MACHINES)
def test_extreme_machine_over_time(tmp_path, name, method):
    check(tmp_path, name, method)
