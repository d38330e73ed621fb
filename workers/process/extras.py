"""Which of the optional dependencies in pyproject.toml a command needs, and what to do when they are missing."""

from importlib.util import find_spec
from pathlib import Path

from pipeline.contract.errors import Misuse

_MODEL = ("torch", "torchvision", "safetensors", "tqdm")
#: The packages of each extra, by the names under which they are imported.
PACKAGES = {
    "client": ("llvmlite", "numba"),
    "load": ("hdrh",),
    "edge": ("llvmlite", "numba", *_MODEL),
    "cloud": _MODEL,
    "dashboard": ("flask", "jinja2", "rq_dashboard", "six", "werkzeug"),
    "all": ("llvmlite", "numba", *_MODEL),  # what `up` needs of it
}
#: The extra of each command that needs more than the gateway does.
EXTRAS = {
    "up": "all",
    "image": "edge",
    "video": "edge",
    "lut": "edge",
    "client": "client",
    "load": "load",
    "stylize": "edge",
    "train": "edge",
    "aggregate": "cloud",
    "dashboard": "dashboard",
    "pretrain": "cloud",
}
ROOT = Path(__file__).parent.parent.parent


def check(command: str | None) -> None:
    """Raise Misuse, with the command that mends it, if packages of the command's extra are missing."""
    extra = EXTRAS.get(command or "", "")
    missing = [name for name in PACKAGES.get(extra, ()) if not is_installed(name)]
    if missing:
        raise Misuse(f"{', '.join(missing)} must be installed first: {remedy(extra)}")


def is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # something took the module's place, such as a test
        return False


def remedy(extra: str, root: Path = ROOT) -> str:
    """Return the shell command that installs an extra, in the project's own folder or wherever else this is."""
    if (root / "pyproject.toml").exists():
        return f"uv sync --inexact --extra {extra}"
    return f"pip install 'mvstylizer[{extra}]'"
