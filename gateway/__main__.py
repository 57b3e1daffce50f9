"""`python -m gateway`: the same door as the console script."""

import sys

from gateway.cli import main

if __name__ == "__main__":
    sys.exit(main())
