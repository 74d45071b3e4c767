"""Where the programs are."""

from pathlib import Path

from .lab import BenchError

ROOT = Path(__file__).resolve().parent.parent.parent


def built(name: str) -> Path:
    """A program of the build tree; the newest if there are several."""
    found = [path for path in ROOT.glob(f"build/bench/**/{name}") if path.is_file()]
    if not found:
        raise BenchError(f"{name} is not built; run: cmake --preset bench && "
                         f"cmake --build --preset bench, or name it with --{name}")
    return max(found, key=lambda path: path.stat().st_mtime)
