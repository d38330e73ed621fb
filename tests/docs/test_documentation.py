"""The documents are true: commands parse, files exist, and generated pages and the HTTP API match the code."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import yaml

from pipeline.contract.settings import Settings
from pipeline.gateway.app import Gateway
from support.paths import ROOT, WEB
from workers.__main__ import COMMANDS, _parser
from workers.process.extras import EXTRAS

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: Lines of shell blocks, with the page that shows them.
SHOWN = [
    (page.relative_to(ROOT).as_posix(), line.strip())
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.S | re.M)
    for line in block.splitlines()
    if line.strip()
]
#: A path of ours in prose: `folder/.../file.ext`, without a placeholder.
NAMED = re.compile(r"`((?:pipeline|clients|workers|edge|cloud|tests|docs)/[\w./-]+\.\w+)[` ]")
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def generated():
    path = ROOT / "docs" / "reference" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_each_command_that_is_shown_can_be_given(page, line):
    for part in line.split(" | "):
        can_be_given(page, part)


def can_be_given(page: str, line: str) -> None:
    words = [word for word in shlex.split(line, comments=True) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if words[:2] == ["uv", "run"]:
        words = words[2:]
        words = without_options_of_uv(words)
    match words:
        case ["mvstylizer", *rest]:
            parses(rest)
        case ["python", script, *_] if script.endswith(".py"):
            assert (ROOT / script).is_file()
        case ["ffmpeg" | "ffplay" | "ffprobe", *_]:
            pass
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module)
        case ["pip", "install", "." | ".[edge]" | ".[onnx]" | ".[virtual-camera]"]:
            assert "edge" in EXTRAS.values()
        case ["cp", *options, source, _] if set(options) <= {"-r"}:
            assert (ROOT / source).exists()
        case ["systemctl", "daemon-reload"]:
            pass
        case ["systemctl", "enable", "--now", *units]:
            names = {re.sub("@.*", "@", unit) + ".service" for unit in units}
            assert names == {path.name for path in (ROOT / "deploy" / "systemd").glob("*.service")}
        case ["kubectl", "apply", "-k", folder]:
            assert (ROOT / folder / "kustomization.yaml").is_file()
        case ["python3", "-m", "venv", _] | ["install", *_]:
            pass
        case ["/usr/local/lib/mvstylizer/bin/pip", "install", ".[cloud,edge]"]:
            pass
        case ["docker", "compose", *rest]:
            assert rest[-1] == "up" or "--scale" in rest
            assert (ROOT / "compose.yaml").is_file()
        case ["pytest", *targets]:
            assert all(target.startswith("-") or (ROOT / target).exists() for target in targets)
        case ["pip", "install", "uv"] | ["npm", "install"] | ["npm", "run", "check"] | ["ruff" | "mypy", *_]:
            pass
        case _:
            pytest.fail(f"nobody knows what this command of {page} does: {line}")


def without_options_of_uv(words: list[str]) -> list[str]:
    """What `uv run` with these words runs."""
    match words:
        case ["--extra", extra, *rest]:
            assert extra in EXTRAS.values()
            return without_options_of_uv(rest)
        case ["--with" | "--python" | "--resolution", _, *rest] | ["--no-default-groups" | "--isolated", *rest]:
            return without_options_of_uv(rest)
    return words


def parses(arguments: list[str]) -> None:
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    if chosen is None:
        assert arguments == ["--help"]
        return
    assert chosen in COMMANDS
    _parser(chosen).parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_links_that_a_page_names_exist(page):
    text = page.read_text()
    for path in NAMED.findall(text):
        assert (ROOT / path).exists(), path
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", ["command-line.md", "settings.md", "metrics.md"])
def test_generated_pages_are_as_the_code_has_them(generated, name):
    """If this fails, run docs/reference/generate.py."""
    assert (ROOT / "docs" / "reference" / name).read_text() == generated[name]


def test_the_readme_is_for_users():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_command_is_named_by_the_reference():
    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()

    assert all(f"## `mvstylizer {name}`" in text for name in COMMANDS)
    assert Path(ROOT / "docs" / "README.md").is_file()


async def test_the_http_api_names_every_route():
    routes = Gateway(Settings(), WEB).application().router.routes()
    served = {(route.method, route.resource.canonical) for route in routes if route.method != "HEAD"}

    api = yaml.safe_load((ROOT / "docs" / "reference" / "http-api.yaml").read_text())
    stated = {(method.upper(), path) for path, methods in api["paths"].items() for method in methods}

    assert served - {("GET", "/{name}")} == stated


def test_each_promise_names_what_keeps_it():
    rows = re.findall(r"^\| (\d+) \|.*$", (ROOT / "docs/reference/promises.md").read_text(), re.M)
    lines = re.findall(r"^\| \d+ \|.*$", (ROOT / "docs/reference/promises.md").read_text(), re.M)

    assert [int(number) for number in rows] == list(range(1, 28))
    for line in lines:
        named = re.findall(r"`(tests/[^`]+)`", line)
        assert named or "the same" in line, line
        assert all((ROOT / path).exists() for path in named), line
