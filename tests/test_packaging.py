"""The shipped package declares that it is typed, and its licence."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_each_shipped_package_is_marked_as_typed_and_is_checked():
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert all((ROOT / package / "py.typed").is_file() for package in packages)
    assert sorted(PROJECT["tool"]["mypy"]["files"]) == sorted(packages)


def test_the_licence_is_stated_and_its_texts_are_there():
    project = PROJECT["project"]

    assert project["license"] == "MIT"
    assert all((ROOT / file).is_file() for file in project["license-files"])
    assert "MIT License" in (ROOT / "LICENSE").read_text()
