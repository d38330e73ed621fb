"""The table of who may import whom, kept true."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"clients", "cloud", "edge", "pipeline", "workers"}
MAY_IMPORT = {
    "edge": set(),
    "cloud": {"edge"},
    "pipeline": set(),
    "clients": {"pipeline"},
    "workers": OURS,
}
TORCH = {"torch", "torchvision"}
NO_TORCH = {"pipeline", "clients"}


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("folder", sorted(OURS))
def test_each_folder_imports_only_what_it_may(folder):
    for path in (ROOT / folder).rglob("*.py"):
        names = imported(path)

        assert names & OURS <= MAY_IMPORT[folder] | {folder}, path
        assert not (folder in NO_TORCH and names & TORCH), path


@pytest.mark.parametrize("folder", sorted(OURS))
def test_packages_say_what_they_are_and_import_nothing(folder):
    for path in (ROOT / folder).rglob("__init__.py"):
        tree = ast.parse(path.read_text())

        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, path


def test_no_pickle_and_no_eval():
    """Nothing that runs code found in data."""
    for folder in OURS:
        for path in (ROOT / folder).rglob("*.py"):
            assert not imported(path) & {"pickle", "dill", "joblib", "marshal", "shelve"}, path
