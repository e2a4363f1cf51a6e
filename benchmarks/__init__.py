"""Speed of the main job, `runs/work_converter.toml`: `python -m benchmarks`, a minute or two.

Apart from it: `python -m benchmarks.textbook` (how the step of the textbook program was chosen), `.peers`
(other programs on the same work) and `.accuracy` (bias of the time step). Results are in
`docs/performance.md`.

Absolute times belong to the machine. Ratios carry over better: both sides of each are measured in one process
on one core, in turns, and each is the fastest of its rounds. What the numbers mean, and what bounds them:

time to 1 %
    Wall time of the measurement until the standard error of P_A is 1 % of it, on one thread: that of a longer
    run, scaled by 1/√N (good to 10 %, since the error comes from 256 trajectories). So few periods are needed
    that it is a rate rather than a run: `simulate` looks at its result every few hundred periods, and set-up
    (filters, step law, response functions) and, once in a process, compilation take longer. They have lines
    of their own.
textbook
    The same by the program that a good physicist would write (`benchmarks/textbook.py`), at the coarsest step
    with a bias below 1 %. The ratio of the two is the product of three: variance of the estimate of P_A per
    trajectory time, steps per trajectory time, and cost of a step. The variance of the textbook is exact.
step cost
    One step of one trajectory, everything included but stored samples. One normal for each reservoir would
    be the least that a step could draw, if noise were white and solved exactly; quantum noise needs filters,
    and the joint law of state and filters more. So the step cannot cost less than what its own normals cost,
    which is the bound of its ratio to the normals drawn × numpy normal.
    Peak: arithmetic of the step (linear map, moments, work; normals not counted) per time, over the rate of
    multiply-adds that stay in registers; at most 1, and the less the larger the share of the normals.
    `dense rows` is the same loop over rows as in the kernel, alone, on memory in the first cache.
normals
    One standard normal of the simulator against `numpy.random.Generator(PCG64).standard_normal`. Below 1.
scaling
    Two threads against one, 256 trajectories: at most 2, less on a busy machine. Cost of a trajectory among
    512 against 64. Cost of a step by number of oscillators, against that with one: less than linear as long
    as the noise of the two reservoirs, which they share, costs most. What a fresh process pays for
    compilation, without and with compiled code on disk, in seconds of the processor. Peak memory of the
    process, a long run against a short one: 1, as steps leave nothing behind.
estimator
    Variance of the same trajectories' averages, estimated with less skill, over that with all skill: the gain
    in time to an error, sample for sample.
exact routes
    One point of each solver, fluctuations and error estimates included. A map of 100 × 100 drive frequencies
    and temperatures by `second_order_map`, against `scipy.integrate.quad` on the same integrals, compiled and
    with break points at the lines (`benchmarks/second_order_quad.py`), on 24 points drawn from the map. Grids
    of periodic steady states at weak and at strong static coupling, in seconds of the processor.
"""
