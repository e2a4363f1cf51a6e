"""Bad input by the hundred: run files and datasets, each with one or a few faults drawn from a seed."""

from __future__ import annotations

import copy
import datetime
import json
import math
import random
import string

STRANGE_TEXTS = (
    "", " ", "A", "B", "driven", "static", "ohmic", "drude", "lorentzian", "table", "joint", "transient",
    "simulate", "second_order", "periodic_steady_state", "equilibrated", "steady", "factorised", "continued",
    "nan", "1.0", "../../x", "/dev/null", "__import__('os').getcwd()", "${HOME}", "%s%n", "{0}", "`", "Ω",
    "\u202e\u0000", "\U0001f600", "e\u0301", "a" * 5000, "a\nb", '"', "[bold]x[/]", "x.y", "--help",
)  # fmt: skip
STRANGE_NUMBERS = (
    0, 1, -1, 2, 3, 7, 64, 65, 1000, 10**6, 10**9, 2**31, 2**63 - 1, -(2**63), 2**63, 10**400,
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 1e-9, 1e-12, 1e-30, 1e-150, 1e-300, 5e-324, 1e3, 1e6, 1e9, 1e12, 1e15,
    1e30, 1e150, 1e154, 1e200, 1e300, 1e308, 1.7976931348623157e308, math.nan, math.inf, -math.inf,
    1 + 2**-52, 0.1, 0.3, math.pi,
)  # fmt: skip
STRANGE_KEYS = (
    "", " ", "A", "B", "C", "gamma", "cutoff", "kind", "method", "frequency", "temperature", "envelope",
    "x.y", "keys", "values", "start", "stop", "num", "scale", "sweep", "solver", "function", "Ω",
    "\U0001f600", "a" * 300, "__class__", "model_config", "self", "data", "0", "-1", "machine", "dataset",
)  # fmt: skip
DATES = (
    datetime.date(1979, 5, 27),
    datetime.time(7, 32),
    datetime.datetime(1979, 5, 27, 7, 32, tzinfo=datetime.UTC),
)


def toml(value):
    """Inline TOML of a value."""
    match value:
        case dict():
            return "{" + ", ".join(f"{_text(key)} = {toml(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return _text(value)
        case bool():
            return str(value).lower()
        case datetime.date() | datetime.time():
            return value.isoformat()
    return repr(value)


def _text(value):
    return json.dumps(value, ensure_ascii=False)


def document(tables):
    """TOML of a whole file, each table inline."""
    return "\n".join(f"{_text(key)} = {toml(item)}" for key, item in tables.items()) + "\n"


# -------------------------------------------------------------------------------------------- run files


def places(value, path=()):
    """Every path into nested tables and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(tables, path):
    """What is at a path."""
    for key in path:
        tables = tables[key]
    return tables


def strange(rng, depth=0):
    """Any value that TOML can write, and some that it cannot."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(STRANGE_NUMBERS)
    if kind < 0.55:
        return rng.choice((-1, 1)) * 10 ** rng.uniform(-320, 308)
    if kind < 0.72:
        return rng.choice(STRANGE_TEXTS)
    if kind < 0.77:
        return rng.choice((True, False))
    if kind < 0.79:
        return rng.choice(DATES)
    if kind < 0.81 or depth > 2:
        return deep(rng.choice((3, 30, 200)), rng.random() < 0.5)
    if kind < 0.9:
        return [strange(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(STRANGE_KEYS): strange(rng, depth + 1) for _ in range(rng.randrange(4))}


def deep(depth, is_table):
    """Nested lists or tables."""
    value = 1.0
    for _ in range(depth):
        value = {"A": value} if is_table else [value]
    return value


def mutate(rng, tables):
    """One change of the tables, in place."""
    path = rng.choice(list(places(tables)))
    *parents, last = path
    node = at(tables, parents)
    value = node[last]
    action = rng.choice(
        ("replace", "replace", "scale", "scale", "remove", "rename", "add", "swap", "wrap", "twice")
    )
    if action == "scale" and isinstance(value, int | float) and abs(value) < 1e300:
        node[last] = value * rng.choice((-1.0, 1e-12, 1e-6, 1e-3, 0.1, 0.5, 2.0, 10.0, 1e3, 1e6, 1e12, 1e100))
    elif action == "remove":
        del node[last]
    elif action == "rename" and isinstance(node, dict):
        node[rng.choice(STRANGE_KEYS)] = node.pop(last)
    elif action == "add" and isinstance(value, dict):
        value[rng.choice(STRANGE_KEYS)] = strange(rng)
    elif action == "add" and isinstance(value, list):
        value.insert(rng.randrange(len(value) + 1), strange(rng))
    elif action == "swap":
        node[last] = copy.deepcopy(at(tables, rng.choice(list(places(tables)))))
    elif action == "wrap":
        node[last] = rng.choice(([value], {"A": value}, {rng.choice(STRANGE_KEYS): value}))
    elif action == "twice" and isinstance(node, list):
        node.append(copy.deepcopy(value))
    else:
        node[last] = strange(rng)


def damage(rng, text):
    """Bytes of a text with a few of them lost, changed or added."""
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                del data[place : place + rng.choice((1, 2, 10, 10**6))]
            case 1:
                data[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 4)))
            case 2:
                data[place:place] = rng.choice(
                    (b"[", b"]", b"{", b"}", b"=", b'"', b"'''", b"\n", b"#", b"[[")
                )
            case 3:
                data[place : place + 1] = rng.choice(string.printable).encode()
    return bytes(data)


def override(rng, tables):
    """Text for `--set`."""
    if rng.random() < 0.15:
        key = "".join(rng.choice(".=\"'[]{} aA0Ω-") for _ in range(rng.randrange(12)))
    else:
        path = list(rng.choice(list(places(tables))))
        if rng.random() < 0.3:
            path[rng.randrange(len(path))] = rng.choice(STRANGE_KEYS)
        if rng.random() < 0.1:
            path.append(rng.choice(STRANGE_KEYS))
        key = ".".join(map(str, path))
    if rng.random() < 0.15:
        key = f"sweep.{key}"
    value = toml(strange(rng)) if rng.random() < 0.8 else rng.choice(STRANGE_TEXTS)
    return f"{key}={value}" if rng.random() < 0.95 else key


def bad_run(seed):
    """Content of a run file and overrides for `--set`, with one to three faults, mostly one.

    Returns
    -------
    content : bytes
    overrides : list of str
    """
    rng = random.Random(seed)
    tables = copy.deepcopy(rng.choice(VALID))
    original = copy.deepcopy(tables)
    overrides, content = [], None
    kind = rng.random()
    if kind < 0.75:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if list(places(tables)):
                mutate(rng, tables)
    elif kind < 0.9:
        overrides = [override(rng, original) for _ in range(rng.randint(1, 2))]
    else:
        content = damage(rng, document(tables))
    if content is None:
        content = document(tables).encode("utf-8", "surrogatepass")
    return content, overrides


MEDIUM = {"frequencies": {"A": 1.0, "B": 0.6}, "wiring": "joint"}
DRIVEN = {
    "name": "driven",
    "temperature": 0.1,
    "spectral_density": {"kind": "lorentzian", "strength": 0.1, "frequency": 2.0, "gamma": 0.4},
    "coupling": {"A": {"amplitude": 1.0, "phase": 0.0}, "B": {"harmonics": [[0, 0.1, 0.0], [1, 0.3, 0.2]]}},
}
STATIC = {
    "name": "static",
    "temperature": 0.2,
    "spectral_density": {"kind": "ohmic", "gamma": 1.0, "cutoff": 9.0},
}
PERIODIC = {"title": "test", "medium": MEDIUM, "drive": {"frequency": 0.7}, "reservoir": [DRIVEN, STATIC]}
PROTOCOL = {
    "title": "test",
    "medium": MEDIUM | {"modulation": {"A": {"amplitude": 0.1}}, "force": {"B": {"amplitude": 0.3}}},
    "drive": {"frequency": 1.0, "chirp": {"start": 1.0, "duration": 2.0, "frequency": 1.5}},
    "reservoir": [
        DRIVEN
        | {
            "coupling": {
                "A": {"amplitude": 0.5, "envelope": {"kind": "ramp", "start": 0.5, "duration": 1.0}},
                "B": {"mean": 0.5, "envelope": {"kind": "burst", "start": 0.5, "cycles": 1.0, "rise": 0.2}},
            }
        },
        STATIC,
    ],
}
TINY = {"method": "simulate", "trajectories": 64, "periods": 4, "run_in": 1, "threads": 1, "seed": 3}
VALID = (
    *[PERIODIC | {"solver": {"method": "second_order", "tolerance": 1e-6}}] * 4,
    PERIODIC | {"solver": {"method": "periodic_steady_state", "tolerance": 1e-6, "phases": 8}},
    PERIODIC
    | {
        "solver": {"method": "second_order"},
        "sweep": {
            "drive.frequency": {"start": 0.1, "stop": 2.0, "num": 3, "scale": "log"},
            "T": {
                "keys": ["reservoir.driven.temperature", "reservoir.static.temperature"],
                "values": [0.1, 0.2],
            },
            "z": {
                "keys": ["medium.frequencies.A", "medium.frequencies.B"],
                "values": [[1.0, 0.7], [1.1, 0.6]],
            },
        },
    },
    PROTOCOL
    | {
        "solver": {
            "method": "transient",
            "duration": 4.0,
            "points": 3,
            "start": {"kind": "factorised", "temperature": 0.2, "oscillators": {"A": {"squeezing": 0.1}}},
        }
    },
    PERIODIC | {"solver": {"method": "transient", "times": [0.0, 1.0, 20.0], "start": "steady"}},
    PERIODIC | {"solver": TINY | {"recording": {"trajectories": 2, "periods": 2}}},
    PROTOCOL
    | {"solver": {"method": "simulate", "trajectories": 64, "duration": 2.0, "points": 3, "threads": 1}},
)


# --------------------------------------------------------------------------------------------- datasets

STRANGE_ATTRIBUTES = (
    0, -1, 2**40, 1.5, math.nan, math.inf, "", "{", "[]", "{}", "null", "nan", "Ω", "a" * 3000, [1, 2, 3],
    [0.5], '{"kind": "continued"}', "simulate", "transient", "second_order", "drive_frequency x",
)  # fmt: skip


def worse_dataset(seed, dataset):
    """A dataset with one fault: something missing, of another type, shape or value.

    Returns
    -------
    xarray.Dataset
    """
    rng = random.Random(seed)
    bad = dataset.copy(deep=True)
    names = sorted(map(str, bad.variables))
    name, attribute = rng.choice(names), rng.choice(sorted(bad.attrs))
    if rng.random() < 0.4:
        known = ("machine", "method", "config_json", "schema_version", "sweep_dims", "start", "trajectories")
        attribute = rng.choice([each for each in known if each in bad.attrs])
    match rng.randrange(9):
        case 0:
            bad = bad.drop_vars(name)
        case 1:
            bad = bad.drop_vars(rng.sample(names, len(names) // 2))
        case 2:
            del bad.attrs[attribute]
        case 3:
            bad.attrs[attribute] = rng.choice(STRANGE_ATTRIBUTES)
        case 4:
            text = str(bad.attrs[attribute])
            bad.attrs[attribute] = damage(rng, text or "x").decode("utf-8", "replace").replace("\0", "0")
        case 5:
            bad[name] = bad[name].astype(str) if rng.random() < 0.5 else bad[name].astype(bool)
        case 6 if bad[name].ndim:
            bad = bad.isel({bad[name].dims[0]: slice(0, rng.randrange(2))})
        case 7:
            bad = bad.drop_vars(name).assign({name: ((), rng.choice((1.0, 3, "x", math.nan)))})
        case _:
            dim = rng.choice(sorted(map(str, bad.dims)))
            bad = bad.rename_dims({dim: "other"}) if dim not in bad.coords else bad.rename({dim: "other"})
    return bad


def damaged_bytes(seed, content):
    """Content of a file with a piece cut off, flipped or overwritten."""
    rng = random.Random(seed)
    data = bytearray(content)
    match rng.randrange(4):
        case 0:
            del data[rng.randrange(len(data)) :]
        case 1:
            for _ in range(rng.choice((1, 10, 100))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 2:
            start = rng.randrange(len(data))
            data[start : start + 512] = bytes(min(512, len(data) - start))
        case 3:
            start = rng.randrange(len(data))
            del data[start : start + rng.randint(1, 64)]
    return bytes(data)
