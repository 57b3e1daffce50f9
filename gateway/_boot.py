"""The launcher: `python -I -S gateway/_boot.py …` runs the gateway, and nothing beside it.

With -S Python reads no .pth file and imports no sitecustomize; trojanised releases have used both
to run at every start. What may be imported is named here instead. Knows nothing of the gateway
but its door.
"""

import sys
import sysconfig
from pathlib import Path


def main() -> int:
    """Open the way to our code and the venv's packages, then hand over to the command line."""
    if not (sys.flags.isolated and sys.flags.no_site):
        return _refused("start it as: python -I -S gateway/_boot.py")
    # Before Python 3.14, -S leaves sys.prefix at the base installation: the executable tells.
    venv = Path(sys.executable).parent.parent
    if not (venv / "pyvenv.cfg").is_file():
        return _refused(f"{sys.executable} belongs to no virtual environment")
    sys.path += _roads(venv)

    from gateway.cli import main as command_line

    return command_line()


def _roads(venv: Path) -> list[str]:
    """Ours first, then the venv's; both after the standard library, which nobody shadows."""
    home = str(Path(__file__).resolve().parent.parent)
    base = {"base": str(venv), "platbase": str(venv)}
    packages = (sysconfig.get_path(kind, "venv", base) for kind in ("purelib", "platlib"))
    return list(dict.fromkeys((home, *packages)))


def _refused(reason: str) -> int:
    print(f"gateway: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
