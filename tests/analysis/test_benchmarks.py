"""Benchmarks run and report; no time is judged."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def root_on_path(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


def test_command_line_prints_and_writes_every_line(monkeypatch, tmp_path, capsys):
    from benchmarks import __main__ as command
    from benchmarks import normals

    shrunk = SimpleNamespace(__name__="normals", measure=partial(normals.measure, rounds=2, rows=2, calls=2))
    monkeypatch.setattr(command, "MEASUREMENTS", (shrunk,))
    command.main(["--json", str(tmp_path / "speed.json")])
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert [line["name"] for line in written["lines"]] == [
        "own normal",
        "numpy normal (PCG64)",
        "own / numpy",
    ]
    assert all(line["name"] in printed for line in written["lines"])
    own, other, ratio = (line["value"] for line in written["lines"])
    assert ratio == pytest.approx(own / other)  # rounding
    assert written["job"] == "work_converter.toml"


def test_textbook_program_follows_the_machine():
    from benchmarks.textbook import Textbook, _exact

    power, variance = _exact()
    program = Textbook(64)
    law = program.law(dw=1e-3)
    assert law / power == pytest.approx(0.2, abs=0.1)  # far too coarse a step loses most of the power
    sampled = program.sample(records=8, seed=3)
    length = sampled.powers.size * program.h * 64 * 200
    error = np.sqrt(variance / length)
    assert abs(sampled.powers.mean() - law) < 5 * error
    assert sampled.noise > 0
    assert sampled.loop > 0


def test_ratio_of_times_is_the_product_of_its_causes(monkeypatch):
    from benchmarks import textbook
    from benchmarks.time_to_error import Measured, Rates

    own = Rates(power=-1e-3, variance=1e-6, step=0.3, cost=1e-7)
    monkeypatch.setattr(textbook, "own_rates", lambda: Measured(own, 1.0, 1.0))
    monkeypatch.setattr(textbook, "_exact", lambda: (-1e-3, 1e-4))
    numbers = [line.value for line in textbook.measure(records=1, steps=64)]
    assert all(np.isfinite(numbers))
    assert numbers[1] == pytest.approx(np.prod(numbers[2:5]))  # rounding


def test_peer_that_is_missing_costs_one_line(capsys, monkeypatch):
    from benchmarks import peer_programs as programs
    from benchmarks import peers

    def missing(*_):
        raise ImportError("no such program")

    for name in ("gleqpy", "diffrax", "lammps"):
        monkeypatch.setattr(programs, name, missing)
    peers.print_classical(trajectories=64, steps=1000)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(rows) == 8
    assert all(len(row) == 5 for row in rows)
    assert ["no such program" in row[1] for row in rows[2:]] == [True] * 3 + [False] * 3
    assert all(np.isfinite([float(row[1]), float(row[3])]).all() for row in rows[5:])


def test_classical_textbook_loop_reaches_equilibrium():
    from benchmarks import peer_programs as programs

    result = programs.textbook(trajectories=64, steps=5000)
    assert abs(result.mean - programs.TEMPERATURE) < 5 * result.error


def test_cost_grows_with_oscillators_threads_and_trajectories():
    from benchmarks import scaling

    lines = [
        *scaling.threads(rounds=1, periods=1, groups=2),
        *scaling.trajectories(rounds=1, periods=1, groups=2),
        *scaling.oscillators(most=2, rounds=1, steps=1),
    ]
    assert [line.group for line in lines] == ["scaling"] * 4
    assert all(np.isfinite(line.value) and line.value > 0 for line in lines)


def test_fresh_process_reports_its_memory(monkeypatch):
    from benchmarks import fresh, scaling

    answer = {"import": 1.0, "first": 9.0, "second": 3.0, "peaks": [200.0, 202.0]}
    monkeypatch.setattr(scaling, "_in_process", lambda *_: answer)
    values = {line.name: line.value for line in scaling.fresh_process((10**3, 10**4))}
    assert values["peak memory, 1e+04 / 1e+03"] == pytest.approx(1.01)  # rounding
    assert values["first simulate - second, empty cache"] == 6.0
    assert fresh._peak() > 10


def test_calls_take_turns_after_one_that_is_not_counted():
    from benchmarks.rounds import fastest

    order = []
    seconds = fastest({name: partial(order.append, name) for name in "ab"}, rounds=2)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert seconds.keys() == {"a", "b"}


def test_flops_of_a_step_are_counted_from_the_loops():
    from benchmarks.step_cost import flops_per_step
    from langevin_qtm.sampling.row_maps import banded

    lower = np.tril(np.ones((8, 5, 5)))
    moments = SimpleNamespace(driven=[0], phase_pairs=[0] * 9, mean_pairs=[0] * 7, stride=2)
    plan = SimpleNamespace(
        maps=banded(np.concatenate([np.ones((8, 5, 2)), lower], axis=2), 8),
        look_maps=banded(np.ones((8, 3, 7)), 8),
        moment_maps=banded(np.ones((4, 6, 5)), 8),
        moments=moments,
        bodies=2,
    )
    onward = (4 + 4 + 8 + 8 + 8) * 2  # rows of 3, 4, 5, 6, 7 columns in blocks of four
    looks, sampled, work = 3 * 8 * 2, (6 * 8 * 2 + 16 * 2) / 2, 2 * 3
    assert flops_per_step(plan) == onward + looks + sampled + work


def test_exact_routes_are_timed_and_the_map_is_right(monkeypatch):
    from benchmarks import exact_routes, second_order_quad

    lines = [
        *exact_routes.second_order_maps((3, 2), 2, 1),
        *exact_routes.steady_states([(0.1, 0.01, 3.0)], [(9.0, 0.01, 3.0)]),
    ]
    values = {line.name: line.value for line in lines}
    assert len(values) == 7
    assert values["map - quad, 2 points"] < 1e-6  # reference: what `quad` reaches
    true = second_order_quad.numbers
    monkeypatch.setattr(exact_routes, "numbers", lambda *point: 1.001 * true(*point))
    wrong = {line.name: line.value for line in exact_routes.second_order_maps((3, 2), 2, 1)}
    assert wrong["map - quad, 2 points"] == pytest.approx(1e-3, rel=0.01)
