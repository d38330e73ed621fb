"""The table of who may import whom, between folders and between the rooms in them, kept true and complete."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("clients", "cloud", "edge", "pipeline", "workers")
#: Files of a room, `__init__.py` left out: more than this, and nobody finds anything.
MOST_FILES = 11
CONTRACT, BASICS = "pipeline.contract", "pipeline.basics"
#: Room -> the rooms that its files may import; each also imports itself. A room is a folder with modules.
MAY_IMPORT = {
    BASICS: set(),
    CONTRACT: set(),
    "pipeline.queues": {BASICS, CONTRACT},
    "pipeline.key_frames": {CONTRACT},
    "pipeline.pictures": {CONTRACT, "pipeline.pictures.colour"},
    "pipeline.pictures.colour": set(),
    "pipeline.styles": {BASICS, CONTRACT, "pipeline.pictures", "pipeline.http", "pipeline.monitoring"},
    "pipeline.styles.paint": {CONTRACT},
    "pipeline.webrtc.media": {BASICS, CONTRACT},
    "pipeline.webrtc.transport": {BASICS, "pipeline.webrtc.media"},
    "pipeline.monitoring": {BASICS, CONTRACT, "pipeline.queues", "pipeline.key_frames", "pipeline.styles"},
    "pipeline.http": {BASICS, CONTRACT, "pipeline.monitoring"},
    "pipeline.gateway": {
        BASICS, CONTRACT, "pipeline.http", "pipeline.key_frames", "pipeline.monitoring", "pipeline.pictures",
        "pipeline.queues", "pipeline.styles", "pipeline.webrtc.media", "pipeline.webrtc.transport",
    },
    "clients.net": {CONTRACT, "pipeline.webrtc.media"},
    "clients.reassembly": set(),
    "clients.media": {CONTRACT, "pipeline.key_frames"},
    "clients.headless": {CONTRACT, "clients.media", "clients.net", "clients.reassembly"},
    "clients.load": {BASICS, CONTRACT, "clients.media", "clients.net", "pipeline.styles"},
    "edge": set(),
    "edge.vgg": set(),
    "edge.grid_model": set(),
    "edge.paper_model": {"edge", "edge.grid_model", "edge.vgg", "edge.training"},
    "edge.training": {"edge", "edge.grid_model", "edge.vgg"},
    "cloud.federated": {"edge", "edge.grid_model", "edge.training"},
    "cloud.pretraining": {
        CONTRACT, "edge.grid_model", "edge.paper_model", "edge.training", "edge.vgg", "pipeline.pictures",
    },
    "workers.process": {CONTRACT},
    "workers.serving": {
        CONTRACT, "cloud.federated", "edge.grid_model", "edge.training", "pipeline.queues", "workers.process",
    },
    "workers.files": {
        CONTRACT, "clients.media", "clients.reassembly", "edge.grid_model", "edge.paper_model", "pipeline.key_frames",
        "pipeline.pictures", "pipeline.styles",
    },
    "workers": {
        BASICS, CONTRACT, "clients", "cloud.federated", "edge.grid_model", "edge.training", "pipeline.gateway",
        "pipeline.http", "pipeline.monitoring", "pipeline.queues", "pipeline.styles", "pipeline.webrtc.media",
        "pipeline.webrtc.transport", "workers.process", "workers.serving",
    },
}  # fmt: skip
TORCH = {"torch", "torchvision"}
NO_TORCH = {"pipeline", "clients"}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def room_of(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT).parts)


def imported(path: Path) -> set[str]:
    """Names that a file imports, at any depth: of a module, and of what is taken from it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_named(name: str) -> str | None:
    """Where the module of an imported name lies; None for others than ours."""
    parts = name.split(".")
    while parts and not (ROOT.joinpath(*parts).is_dir() and parts[0] in FOLDERS):
        parts.pop()
    return ".".join(parts) or None


ROOMS = sorted({room_of(path) for path in sources() if path.name != "__init__.py"})


def test_the_table_names_every_room():
    assert ROOMS == sorted(MAY_IMPORT)


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_imports_only_what_it_may(room):
    for path in ROOT.joinpath(*room.split(".")).glob("*.py"):
        rooms = {room_named(name) for name in imported(path)} - {None, room}

        assert rooms <= MAY_IMPORT[room], path


@pytest.mark.parametrize("room", ROOMS)
def test_the_table_allows_nothing_that_nobody_needs(room):
    used = {room_named(name) for path in ROOT.joinpath(*room.split(".")).glob("*.py") for name in imported(path)}

    assert MAY_IMPORT[room] <= used


@pytest.mark.parametrize("folder", sorted(NO_TORCH))
def test_pipeline_and_clients_never_import_torch(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & TORCH, path


def at_once(path: Path) -> Iterator[str]:
    """Names of modules that a file imports as soon as it is imported itself."""
    todo: list[ast.stmt] = ast.parse(path.read_text()).body
    for node in todo:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Try | ast.With) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test)
        ):
            todo.extend(node.body)


def file_of(name: str) -> Path | None:
    """Of a module of ours, or of the module that an imported name lies in."""
    parts = name.split(".")
    places = [
        root.joinpath(*parts[:length]) for length in (len(parts), len(parts) - 1) for root in (ROOT, ROOT / "tests")
    ]
    return next((place.with_suffix(".py") for place in places if place.with_suffix(".py").is_file()), None)


def test_tests_of_the_pipeline_import_no_torch():
    """It takes seconds, of each run of a single test too."""
    todo = [ROOT / "tests" / "conftest.py", *(ROOT / "tests" / "pipeline").rglob("*.py")]
    for path in todo:
        names = set(at_once(path))
        assert not {name.split(".")[0] for name in names} & TORCH, path
        todo += {file for name in names if (file := file_of(name))} - set(todo)

    assert ROOT / "pipeline" / "gateway" / "app.py" in todo


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_is_crowded(room):
    files = [path for path in ROOT.joinpath(*room.split(".")).glob("*.py") if path.name != "__init__.py"]

    assert len(files) <= MOST_FILES


def test_packages_say_what_they_are_and_import_nothing():
    for path in sources():
        if path.name == "__init__.py":
            tree = ast.parse(path.read_text())

            assert ast.get_docstring(tree), path
            assert len(tree.body) == 1, path


def test_no_pickle_and_no_eval():
    """Nothing that runs code found in data."""
    for path in sources():
        modules = {name.split(".")[0] for name in imported(path)}
        assert not modules & {"pickle", "dill", "joblib", "marshal", "shelve"}, path


def test_no_two_public_classes_have_one_name():
    """One word, one meaning. Each of the two models has a decoder: that is the paper's word in both."""
    names = Counter(
        node.name
        for path in sources()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert {name for name, count in names.items() if count > 1} == {"Decoder"}
