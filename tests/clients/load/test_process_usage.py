import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest

from clients.load.process_usage import Meter, role_in, system_of


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["python", "-m", "workers", "gateway", "--port", "1"], "gateway"),
        (["python", "-m", "workers", "-v", "stylize"], "stylize"),
        (["/venv/bin/mvstylizer", "train"], "train"),
        (["python", "-m", "pytest"], None),
    ],
)
def test_a_role_is_told_by_its_command_line(command, role):
    assert role_in(command) == role


def test_nothing_is_found_where_nobody_listens_or_none_of_ours():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        assert system_of(f"http://127.0.0.1:{server.server_port}") == []
    assert system_of("http://127.0.0.1:1") == []


def test_processes_that_end_meanwhile_are_left_out():
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    meter = Meter({"busy": [psutil.Process()], "gone": [psutil.Process(sleeper.pid)]})
    sleeper.communicate(b"\n")
    sum(range(10**6))

    usage = meter.read()

    assert usage["gone"].processes == 0
    assert usage["busy"].processes == 1 and usage["busy"].core_percent > 0 and usage["busy"].rss_mb > 10
