"""The command's errors: misuse gives a sentence and exit code 2, and everything else is a crash with its trace."""

import subprocess
import sys
import types

import pytest

from pipeline.contract.errors import BadMessage, BadSetting, Misuse, RedisUnavailable
from pipeline.styles.catalog import find_shipped, shipped
from workers import __main__ as command
from workers.process.supervisor import EXIT_MISUSE

ROLES = sorted(command.SUPERVISED)
LASTING = sorted(command.LASTING)
TOOLS = sorted(command.COMMANDS.keys() - command.LASTING)


@pytest.fixture
def failing(monkeypatch):
    """Runs a command that raises."""

    def run(name: str, error: Exception) -> None:
        module = types.ModuleType("failing")

        def fail(args: object) -> None:
            raise error

        module.add_arguments, module.run = lambda parser: None, fail
        monkeypatch.setitem(sys.modules, "failing", module)
        monkeypatch.setattr(command, "COMMANDS", {name: ("failing", "fail")})
        command.main([name])

    return run


@pytest.mark.parametrize("name", [*LASTING, *TOOLS])
@pytest.mark.parametrize("kind", [Misuse, BadSetting])
def test_misuse_is_a_sentence_and_never_tried_again(failing, capsys, name, kind):
    with pytest.raises(SystemExit) as ended:
        failing(name, kind("This makes no sense."))

    assert ended.value.code == EXIT_MISUSE
    assert capsys.readouterr().err == f"mvstylizer {name}: This makes no sense.\n"


@pytest.mark.parametrize("name", LASTING)
@pytest.mark.parametrize(
    "error",
    [ValueError("while it runs"), UnicodeDecodeError("utf-8", b"", 0, 1, "no"), KeyError("k"), OSError(28, "x")],
)
def test_what_a_role_did_not_expect_is_a_crash(failing, name, error):
    with pytest.raises(type(error)):
        failing(name, error)


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("kind", [BadMessage, RedisUnavailable])
def test_what_the_world_does_to_a_role_is_no_misuse(failing, name, kind):
    with pytest.raises(kind):
        failing(name, kind("Something is wrong."))


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_says_in_a_sentence_what_its_input_lacks(failing, capsys, name):
    with pytest.raises(SystemExit) as ended:
        failing(name, ValueError("these are no weights"))

    assert ended.value.code == EXIT_MISUSE and "these are no weights" in capsys.readouterr().err


def test_a_crash_leaves_its_trace_in_the_log_and_another_exit_code():
    script = """
import workers.__main__ as command, sys, types
module = types.ModuleType("failing")
def fail(args): int("no number")
module.add_arguments, module.run = lambda parser: None, fail
sys.modules["failing"] = module
command.COMMANDS = {"train": ("failing", "fail")}
command.main(["train"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "this process ends" in done.stderr and "ValueError: invalid literal" in done.stderr
    assert "in fail" in done.stderr


def test_a_bare_command_shows_the_help(capsys):
    command.main([])

    said = capsys.readouterr()
    assert said.out.startswith("usage: mvstylizer") and "stylize a video" in said.out and not said.err


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--version"])

    assert ended.value.code == 0 and capsys.readouterr().out.startswith("mvstylizer 0.")


@pytest.mark.parametrize("words", [["-v", "styles"], ["styles", "-v"], ["styles", "--verbose"]])
def test_verbose_may_stand_anywhere(words, monkeypatch):
    heard = []
    monkeypatch.setattr(command, "set_up_logging", heard.append)

    command.main(words)
    command.main(["styles"])

    assert heard == [True, False]


def test_styles_are_listed_as_other_commands_take_them(capsys):
    command.main(["styles"])

    listed = capsys.readouterr().out.splitlines()
    assert "golden-hour" in listed and [find_shipped(name).name for name in listed] == [s.name for s in shipped()]


@pytest.mark.parametrize("url", ["redis://:hunter2@host/0", "rediss://u:hunter2@host", "redis://host?password=hunter2"])
@pytest.mark.parametrize("name", ["gateway", "stylize", "aggregate", "dashboard", "up"])
def test_a_password_is_not_taken_from_the_command_line(name, url, capsys):
    """Everybody on the machine could read it there."""
    with pytest.raises(SystemExit) as ended:
        command.main([name, "--redis", url])

    said = capsys.readouterr().err
    assert ended.value.code == EXIT_MISUSE and "set MVS_REDIS_URL instead" in said and "hunter2" not in said
