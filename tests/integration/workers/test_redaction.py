"""No process shows a password when it is started wrongly."""

import subprocess
import sys

import pytest

SECRET = "hunter22"


@pytest.mark.parametrize("role", ["gateway", "stylize", "train", "aggregate", "up", "dashboard"])
def test_no_role_shows_a_password_when_it_is_started_wrongly(role):
    wrong = f"redis://:a#{SECRET}@127.0.0.1:1/0"
    done = subprocess.run(
        [sys.executable, "-m", "workers", "-v", role],
        capture_output=True,
        text=True,
        timeout=120,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "MVS_REDIS_URL": wrong,
            "MVS_CLOUD_REDIS_URL": wrong,
            "MVS_MODELS_DIR": "/proc/nowhere",
            "MVS_PORT": "0" if role == "dashboard" else "18923",
        },
    )

    assert done.returncode != 0
    assert SECRET not in done.stdout + done.stderr
