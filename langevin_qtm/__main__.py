"""`python -m langevin_qtm` is `langevin-qtm`."""

import sys

from langevin_qtm.cli import main

if __name__ == "__main__":
    sys.exit(main())
