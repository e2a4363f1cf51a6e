# %% [markdown]
# # A first run, looked at from all sides
#
# Open a run, look at it, validate it, change a parameter, and lay a transient over an ensemble.
#
# Cells are marked by `# %%`: open this file in VS Code, Spyder or PyCharm and run them one by one, make a
# notebook of it with `jupytext --to notebook docs/tutorial.py`, or run all of it with `python
# docs/tutorial.py FOLDER`, which leaves the figures in FOLDER. It takes half a minute. Units: ħ = k_B = m =
# 1, frequencies and temperatures in w_A.

# %%
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

import langevin_qtm as qtm
from langevin_qtm.data.files import save
from langevin_qtm.inspection.labels import STYLE

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "tutorial_figures")
FOLDER.mkdir(exist_ok=True)
mpl.rcParams.update(mpl.rc_params_from_file(STYLE, use_default_template=False))


def keep(name):
    """Save the current figure, and close it."""
    plt.savefig(FOLDER / f"{name}.png")
    plt.close()


# %% [markdown]
# ## A machine, and a run
#
# Two oscillators share two reservoirs. One is coupled through cosines a quarter period apart: the drive.
# The other is static and strong, and locks the oscillators in antiphase.


# %%
def converter(static_gamma=5.0, temperature=0.1, envelope=None):
    """Work-to-work converter; isothermal unless the driven reservoir is given another temperature."""
    coupling = {
        "A": qtm.Drive.cosine(envelope=envelope),
        "B": qtm.Drive.cosine(phase=np.pi / 2, envelope=envelope),
    }
    driven = qtm.DrudeLorentz(gamma=0.05, cutoff=12.0)
    static = qtm.DrudeLorentz(gamma=static_gamma, cutoff=20.0)
    return qtm.Machine(
        frequencies={"A": 1.0, "B": 0.6},
        drive_frequency=0.3,
        reservoirs=[
            qtm.Reservoir(name="driven", temperature=temperature, spectral_density=driven, coupling=coupling),
            qtm.Reservoir(name="static", temperature=0.1, spectral_density=static),
        ],
    )


# %% [markdown]
# `recording` says what is kept of single trajectories: sixteen of them for twenty drive periods, and the
# work of all of them in windows of five periods. In a run file it is the table `recording` under
# `[solver]`.

# %%
run = qtm.simulate(
    converter(),
    trajectories=256,
    periods=2000,
    seed=1,
    recording={"trajectories": 16, "periods": 20, "work_periods": 5},
)
save(run, FOLDER / "converter.nc")

# %% [markdown]
# ## Open
#
# A file is an `xarray.Dataset`, with `units` and `long_name` on every variable. `ds.qtm` is there as soon
# as `langevin_qtm` is imported.

# %%
ds = qtm.open_dataset(FOLDER / "converter.nc")
averages = ["local_power[A]", "local_power[B]", "pearson", "conversion_efficiency"]
print(ds.qtm.summary().loc[averages, ["value", "error", "unit"]])

# %% [markdown]
# ## Look
#
# Each look is one call, which takes an `ax` and returns it. Dotted: the exact standard deviation.

# %%
figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 4.5))
ds.qtm.trajectory(0, ax=upper).set_xlim(0, 120)
ds.qtm.windowed_pearson(window=40.0, ax=lower)
keep("locking_in_time")

# %% [markdown]
# The oscillators swing in antiphase: the density is tilted as the exact covariance says, and the phase
# difference of the two positions gathers at ±π, as the exact density does.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
ds.qtm.plane(ax=left)
ds.qtm.phase_difference(ax=right)
keep("locking")

# %% [markdown]
# Spectra are two-sided, per unit of angular frequency. A record of twenty periods cannot resolve a line as
# narrow as that of the antiphase mode: the estimate lies on what is *expected of this record*, with the
# degrees of freedom that its windows have, and the exact spectrum is drawn beside it.

# %%
figure, axes = plt.subplots(figsize=(7, 3.6))
ds.qtm.spectrum("position", ax=axes)
keep("position_spectrum")

# %% [markdown]
# Power goes in at B and comes out at A. A single window of five periods says little of it: its work
# scatters by more than its mean.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
ds.qtm.power_folded(ax=left)
ds.qtm.work_distribution(n_periods=20, ax=right)
keep("power_and_work")

# %% [markdown]
# The same, and more, as files: `langevin-qtm inspect converter.nc`. One page to browse, with all panels
# zoomed together: `langevin-qtm inspect converter.nc --html view.html`, or `ds.qtm.browse("view.html")`.
#
# ## Validate
#
# Every average against the exact periodic steady state, in standard errors; the limit is set so that a
# correct run fails once in a thousand.

# %%
validation = qtm.validate(ds)
print(validation)
assert validation.agrees

figure, axes = plt.subplots(figsize=(7, 5))
ds.qtm.compare(ax=axes)
keep("deviations")

# %% [markdown]
# ## Change a parameter
#
# Without the strong common reservoir nothing locks. In a run file: `--set
# reservoir.static.spectral_density.gamma=0.1`.

# %%
weak = qtm.simulate(converter(static_gamma=0.1), trajectories=256, periods=2000, seed=1)
for name, dataset in (("strong", ds), ("weak", weak)):
    print(f"{name}: C = {float(dataset.pearson):.5f} ± {float(dataset.pearson_se):.5f}")
assert float(weak.pearson) > float(ds.pearson) + 0.2

# %% [markdown]
# The exact routes need no sampling, so a curve costs seconds: the Pearson coefficient over the static
# coupling, and the two sampled points on it.

# %%
gammas = np.geomspace(0.03, 30.0, 13)
curve = [float(qtm.periodic_steady_state(converter(gamma)).pearson) for gamma in gammas]
figure, axes = plt.subplots(figsize=(4.5, 3))
axes.semilogx(gammas, curve, label="exact")
for gamma, dataset in ((5.0, ds), (0.1, weak)):
    axes.errorbar(gamma, dataset.pearson, dataset.pearson_se, fmt="o", color="C1")
axes.set(xlabel=r"static coupling $\gamma_2\ [\omega_A]$", ylabel="Pearson coefficient $C$")
axes.legend()
keep("pearson_over_coupling")

# %% [markdown]
# ## A transient over the ensemble
#
# From equilibrium with the static reservoir, a drive with a hot reservoir is switched on smoothly. An
# ensemble of trajectories follows it, `transient` gives the exact moments without sampling, and
# `ds.qtm.over_time` lays one over the other. At first the hot reservoir heats the antiphase mode; then work
# becomes heat.

# %%
hot = converter(temperature=1.0, envelope=qtm.Smooth(start=5.0, duration=20.0))
ensemble = qtm.simulate(hot, duration=80.0, points=81, trajectories=4096, start="equilibrated", seed=3)
exact = qtm.transient(hot, ensemble.time, start="equilibrated")
print(f"first law of the exact moments kept to {float(abs(exact.energy_residual).max()):.0e}")

figure, grid = plt.subplots(3, 1, figsize=(7, 6), sharex=True)
for axes, variable in zip(grid, ("position_covariance", "local_power", "heat_current"), strict=True):
    ensemble.qtm.over_time(variable, ax=axes).label_outer()
keep("transient")

# %%
deviation = ((ensemble.local_power - exact.local_power) / ensemble.local_power_se).isel(time=slice(1, None))
print(f"powers: rms deviation {float(np.sqrt((deviation**2).mean())):.2f} standard errors")
assert 0.5 < float(np.sqrt((deviation**2).mean())) < 2
