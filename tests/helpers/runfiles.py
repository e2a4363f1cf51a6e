"""Run files for tests: a valid one, and TOML of any tables."""

from __future__ import annotations

import json

from langevin_qtm.data.runfile import load_run

TEXT = """
title = "test"
[medium]
frequencies = { A = 1.0, B = 0.6 }
wiring = "joint"
[drive]
frequency = 0.3
[[reservoir]]
name = "driven"
temperature = 0.1
spectral_density = { kind = "drude", gamma = 0.01, cutoff = 12.0 }
coupling = { A = { amplitude = 1.0 }, B = { amplitude = 1.0, phase = 1.5 } }
[[reservoir]]
name = "static"
temperature = 0.2
spectral_density = { kind = "ohmic", gamma = 100.0 }
[solver]
method = "simulate"
trajectories = 64
seed = 7
"""


def toml(value):
    """Inline TOML of a value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return {"True": "true", "False": "false"}.get(str(value), repr(value))


def document(tables):
    """TOML of a whole file, each table inline."""
    return "\n".join(f"{json.dumps(key, ensure_ascii=False)} = {toml(item)}" for key, item in tables.items())


def load_text(path, text, overrides=None):
    """Write a text, or bytes, to a file and load it as a run file."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_run(path, overrides)
