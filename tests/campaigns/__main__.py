"""python -m tests.campaigns NAME [ROW…]: proofs that take minutes, run by hand. docs/testing.md."""

import sys

from tests.campaigns import cluster, limits


def main() -> int:
    match sys.argv[1:]:
        case ["limits", *rows]:
            return limits.main(rows)
        case ["cluster"]:
            return cluster.main()
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
