"""Tasks on the workers of dask.distributed: on this machine, or wherever an existing scheduler has them.

Needs the extra `cluster`. Workers run one task at a time in one thread, so that netCDF is safe and cores are
not oversubscribed; they must have the software and the type of processor of the process that asks, so that
numbers do not depend on where they are computed.
"""
