"""Holds the tables of which room may import which, and makes sure that they are true and complete."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline.webrtc.internals import ice, seams
from support.private_names import private_names, touched

ROOT = Path(__file__).parent.parent
FOLDERS = ("clients", "cloud", "edge", "pipeline", "workers")
#: The most files of a room, without `__init__.py`; with more, nobody finds anything.
MOST_FILES = 11
CONTRACT, BASICS = "pipeline.contract", "pipeline.basics"
#: The only room that touches private names of the libraries below a peer connection.
FENCE = "pipeline.webrtc.internals"
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
    "pipeline.webrtc": {FENCE, "pipeline.webrtc.media", "pipeline.webrtc.transport"},
    FENCE: set(),
    "pipeline.webrtc.media": {BASICS, CONTRACT, FENCE},
    "pipeline.webrtc.transport": {BASICS, CONTRACT, FENCE, "pipeline.webrtc.media"},
    "pipeline.monitoring": {BASICS, CONTRACT, "pipeline.queues", "pipeline.key_frames", "pipeline.styles"},
    "pipeline.http": {BASICS, CONTRACT, "pipeline.monitoring"},
    "pipeline.capacity": {CONTRACT, "pipeline.http"},
    "pipeline.gateway": {
        BASICS, CONTRACT, "pipeline.capacity", "pipeline.http", "pipeline.key_frames", "pipeline.monitoring",
        "pipeline.pictures", "pipeline.queues", "pipeline.styles", "pipeline.webrtc.media", "pipeline.webrtc.transport",
    },
    "clients.net": {CONTRACT, FENCE, "pipeline.webrtc.media"},
    "clients.reassembly": set(),
    "clients.feeds": {CONTRACT},
    "clients.media": {CONTRACT, "clients.feeds", "pipeline.key_frames", "pipeline.pictures.colour"},
    "clients.headless": {
        BASICS, CONTRACT, "clients.feeds", "clients.media", "clients.net", "clients.reassembly",
        "pipeline.key_frames", "pipeline.webrtc",
    },
    "clients.load": {
        BASICS, CONTRACT, FENCE, "clients.media", "clients.net", "pipeline.key_frames", "pipeline.styles",
        "pipeline.webrtc",
    },
    "edge": set(),
    "edge.vgg": set(),
    "edge.colour_maps": set(),
    "edge.grid_model": {"edge.colour_maps"},
    "edge.any_model": {"edge", "edge.grid_model"},
    "edge.paper_model": {"edge", "edge.grid_model", "edge.vgg", "edge.training"},
    "edge.training": {"edge", "edge.grid_model", "edge.vgg"},
    "cloud.federated": {"edge", "edge.grid_model", "edge.training"},
    "cloud.pretraining": {
        CONTRACT, "edge.colour_maps", "edge.grid_model", "edge.paper_model", "edge.training", "edge.vgg",
        "pipeline.pictures",
    },
    "workers.process": {CONTRACT},
    "workers.serving": {
        BASICS, CONTRACT, "cloud.federated", "edge.grid_model", "edge.training", "pipeline.queues", "pipeline.styles",
        "workers.process",
    },
    "workers.files": {
        CONTRACT, "clients.feeds", "clients.media", "clients.reassembly", "edge.any_model", "edge.grid_model",
        "edge.paper_model", "edge.training", "pipeline.key_frames", "pipeline.pictures", "pipeline.styles",
    },
    "workers.luts": {
        CONTRACT, "clients.feeds", "clients.media", "clients.reassembly", "workers.files",
    },
    "workers": {
        BASICS, CONTRACT, "clients", "cloud.federated", "edge.any_model", "edge.grid_model", "edge.training",
        "pipeline.gateway", "pipeline.http", "pipeline.key_frames", "pipeline.monitoring", "pipeline.queues",
        "pipeline.styles", "pipeline.webrtc", "pipeline.webrtc.media", "workers.process", "workers.serving",
    },
}  # fmt: skip
#: The same for the page's rooms, the folders of `clients/web`; "page" is the files beside them, which join them.
#: Whatever measures, draws or sends knows nothing of what people see and touch.
PAGE_MAY_IMPORT = {
    "basics": set(),
    "capture": {"basics"},
    "controls": set(),
    "flow": {"basics", "capture"},
    "live": {"basics", "capture", "flow", "net", "render"},
    "looks": {"basics", "capture", "mixing", "net"},
    "mixing": {"basics", "net"},
    "net": {"capture", "render"},
    "render": {"basics", "flow"},
    "shots": {"basics"},
    "status": {"basics"},
    "ui": {"basics", "capture", "live", "looks"},
    "page": {"basics", "capture", "controls", "live", "looks", "net", "render", "shots", "ui"},
}
PAGE = ROOT / "clients" / "web"
#: Finds the names of modules, of types in comments, and of workers' scripts.
JS_IMPORT = r"(?:\bfrom |\bimport\(|\bimport |new URL\()'(\.[^']*\.js)'"
TORCH = {"torch", "torchvision"}
NO_TORCH = {"pipeline", "clients"}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def room_of(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT).parts)


def imported(path: Path) -> set[str]:
    """The names that a file imports, at any depth: modules, and names from modules."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_named(name: str) -> str | None:
    """The room of an imported name; None if it is not ours."""
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


def page_room(path: Path) -> str:
    return path.parent.name if path.parent != PAGE else "page"


def imported_by_page(room: str) -> set[str]:
    """The rooms that a room's modules import, or whose types they name."""
    files = (path for path in PAGE.rglob("*.js") if page_room(path) == room)
    found = {(path.parent / name).resolve() for path in files for name in re.findall(JS_IMPORT, path.read_text())}
    assert all(path.is_file() for path in found)
    return {page_room(path) for path in found} - {room}


def test_the_table_names_every_room_of_the_page():
    assert {page_room(path) for path in PAGE.rglob("*.js")} == set(PAGE_MAY_IMPORT)


@pytest.mark.parametrize("room", PAGE_MAY_IMPORT)
def test_each_room_of_the_page_imports_what_it_may_and_the_table_allows_no_more(room):
    assert imported_by_page(room) == PAGE_MAY_IMPORT[room]


@pytest.mark.parametrize("folder", sorted(NO_TORCH))
def test_pipeline_and_clients_never_import_torch(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & TORCH, path


def at_once(path: Path) -> Iterator[str]:
    """The modules that a file imports as soon as it is itself imported."""
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
    """The file of a module of ours, or of the module that holds an imported name."""
    parts = name.split(".")
    places = [
        root.joinpath(*parts[:length]) for length in (len(parts), len(parts) - 1) for root in (ROOT, ROOT / "tests")
    ]
    return next((place.with_suffix(".py") for place in places if place.with_suffix(".py").is_file()), None)


def names_in(path: Path) -> set[str]:
    """The names that a module defines or imports at its top level."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return names


def test_whatever_tests_and_benchmarks_import_of_ours_is_there():
    """Benchmarks run rarely, so that nobody would notice for long."""
    names_of = cache(names_in)
    for path in (ROOT / "tests").rglob("*.py"):
        for name in imported(path):
            module, _, last = name.rpartition(".")
            if module.split(".")[0] not in (*FOLDERS, "support") or (file := file_of(name)) is None:
                continue
            assert file.stem == last or last in names_of(file), (path, name)


def test_tests_of_the_pipeline_import_no_torch():
    """Importing torch takes seconds, even for a single test."""
    todo = [ROOT / "tests" / "conftest.py", *(ROOT / "tests" / "pipeline").rglob("*.py")]
    for path in todo:
        names = set(at_once(path))
        assert not {name.split(".")[0] for name in names} & TORCH, path
        todo += {file for name in names if (file := file_of(name))} - set(todo)

    assert ROOT / "pipeline" / "gateway" / "app.py" in todo


def test_peers_connect_only_in_tests_that_run_with_and_without_our_parts():
    """Which is what those in tests/integration/peers do; and in the rooms' folders, peers would take seconds."""
    for path in (file for folder in FOLDERS for file in (ROOT / "tests" / folder).rglob("*.py")):
        assert not imported(path) & {"support.webrtc.peers.Client", "clients.net.connection.Connection"}, path


@pytest.mark.parametrize("folder", [*FOLDERS, "tests/browser", "tests/support"])
def test_no_room_is_crowded(folder):
    """A benchmark is a script of its own, so that their folder is a list; a room's files are read together."""
    files = Counter(path.parent for path in (ROOT / folder).rglob("*.[jp][sy]") if path.name != "__init__.py")

    assert {room: count for room, count in files.items() if count > MOST_FILES} == {}


def test_packages_say_what_they_are_and_import_nothing():
    for path in sources():
        if path.name == "__init__.py":
            tree = ast.parse(path.read_text())

            assert ast.get_docstring(tree), path
            assert len(tree.body) == 1, path


@pytest.mark.parametrize("room", [room for room in ROOMS if room != FENCE])
def test_private_names_of_others_are_touched_inside_the_fence_only(room):
    """Elsewhere, no part of others' libraries is replaced, either."""
    found = {str(path.relative_to(ROOT)): touched(path, ROOT) for path in ROOT.joinpath(*room.split(".")).glob("*.py")}

    assert {path: places for path, places in found.items() if places} == {}


def test_whoever_comes_over_the_fence_is_seen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "climber.py").write_text(CLIMBER)

    found = touched(tmp_path / "climber.py", tmp_path)

    marked = [number for number, line in enumerate(CLIMBER.splitlines(), 1) if "# seen" in line]
    assert sorted({int(place.split(":")[0]) for place in found}) == marked


CLIMBER = """
import asyncio
from aiortc import RTCPeerConnection, RTCRtpReceiver, rtcrtpreceiver
from aiortc.rtcpeerconnection import RTCDtlsTransport as Dtls
from rq import SimpleWorker

class Receiver(RTCRtpReceiver):
    def __init__(self):
        self._own = 1
        self._enabled = True  # seen
        super()._run_rtcp()  # seen

    async def _send_rtcp(self, packet):  # seen
        return self._own

class Worker(SimpleWorker):
    def _shutdown(self):  # seen
        self._stop_requested = True  # seen
        self._asked = self.get_state()

def touch(peer, track, sender, receiver):
    rtcrtpreceiver.JitterBuffer = None  # seen
    setattr(Dtls, "state", None)  # seen
    Dtls.state = None  # seen
    del RTCPeerConnection.close  # seen
    track._queue = None  # seen
    track._id  # seen
    getattr(peer, "_RTCPeerConnection__isClosed")  # seen
    getattr(peer, "_x", None)  # seen
    f"_RTCPeerConnection__{peer}"  # seen
    peer.__dict__["sctp"]  # seen
    vars(receiver)  # seen
    from aiortc.sdp import _x  # seen
    import aioice._y  # seen
    sender.replaceTrack = None  # seen
    peer.data_received = None  # seen
    asyncio.get_running_loop()._add_reader(1, touch)  # seen
    peer.sctp.transport.stop()
    return peer.__class__.__name__, track.id, sender.track
"""


def test_nothing_of_aiortc_is_replaced_when_modules_are_imported():
    script = """
import aiortc.rtcpeerconnection as peers, aiortc.rtcrtpreceiver as receivers, aiortc.rtcsctptransport as sctp
import aioice.ice, aioice.mdns, aiortc.codecs
modules = (peers, receivers, sctp, aioice.ice, aioice.mdns, aiortc.codecs)
modules += tuple(value for module in modules for value in vars(module).values() if isinstance(value, type))
before = {(module, name): value for module in modules for name, value in list(vars(module).items())}
import clients.headless.cli, clients.load.cli, workers.gateway
for (module, name), value in before.items():
    assert vars(module).get(name) is value or name.startswith("_abc"), (module, name)
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_the_fence_knows_all_that_it_touches():
    """Names that are missing in its tables would not be checked at the start."""
    known = {name for layer in seams.LAYERS for names in layer.NEEDS.values() for name in names} | set(ice.OPTIONAL)
    used = {name for path in (ROOT / "pipeline/webrtc/internals").glob("*.py") for name in private_names(path, ROOT)}

    assert used - known == set()


def test_no_pickle_and_no_eval():
    """No function may run code that it finds in data."""
    for path in sources():
        modules = {name.split(".")[0] for name in imported(path)}
        assert not modules & {"pickle", "dill", "joblib", "marshal", "shelve"}, path


def test_no_two_public_classes_have_one_name():
    """One word has one meaning. An exception is the decoder, which both models have and the paper names so."""
    names = Counter(
        node.name
        for path in sources()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert {name for name, count in names.items() if count > 1} == {"Decoder"}
