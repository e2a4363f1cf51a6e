"""The tutorial runs as it stands, and leaves a figure for each look."""

import runpy
import sys
from pathlib import Path

import matplotlib as mpl

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.py"
FIGURES = {
    "deviations",
    "locking",
    "locking_in_time",
    "pearson_over_coupling",
    "position_spectrum",
    "power_and_work",
    "transient",
}


def test_tutorial_runs_and_leaves_its_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(TUTORIAL), str(tmp_path)])
    with mpl.rc_context():
        runpy.run_path(str(TUTORIAL), run_name="__main__")
    assert {path.stem for path in tmp_path.glob("*.png")} == FIGURES
    assert "Agrees: of 30 numbers" in capsys.readouterr().out


def test_text_and_code_are_cells():
    """Every part of the script belongs to a cell, and every cell of text is a comment."""
    cells = TUTORIAL.read_text(encoding="utf-8").split("# %%")[1:]
    assert len(cells) > 15
    for cell in cells:
        if cell.startswith(" [markdown]"):
            assert all(line.startswith("#") or not line.strip() for line in cell.splitlines()[1:])
