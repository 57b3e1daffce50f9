"""`python -I bench …`: the benchmark; `load` and `provider` are the parts that it starts itself."""

import sys
from pathlib import Path


def main() -> int:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # it was this folder

    from bench import cli, load, provider

    match sys.argv[1:]:
        case ["load"]:
            return load.main()
        case ["provider", port]:
            return provider.main(int(port))
        case arguments:
            return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
