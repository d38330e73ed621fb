"""The fuzz minute: all targets, guided by coverage. MVS_FUZZ_SECONDS is its length; more of it with run.py."""
import json
import os
import secrets
import shutil
import subprocess
import sys
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import missing
from replay import CORPUS

IN_CI = os.environ.get("CI") == "true"
SECONDS = float(os.environ.get("MVS_FUZZ_SECONDS", 60 if IN_CI else 20))
#: Under CI half of the time goes to inputs that are the same each time, half to new ones.
SEEDS = [1, secrets.randbelow(2**31)] if IN_CI else [secrets.randbelow(2**31)]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: "always" if seed == 1 else "fresh")
def test_no_new_input_is_a_finding(seed, tmp_path):
    """A failure names its seed and holds the inputs; run.py --seed goes the same way again."""
    if find_spec("atheris") is None:
        missing("atheris, which has no wheel for this platform,")
    corpus = shutil.copytree(CORPUS, tmp_path / "corpus")
    words = {"--seconds": SECONDS / len(SEEDS), "--seed": seed, "--corpus": corpus, "--evolved": tmp_path / "evolved"}
    command = [sys.executable, Path(__file__).with_name("run.py"), *(str(w) for pair in words.items() for w in pair)]

    run = subprocess.run(command, capture_output=True, text=True, timeout=280)

    assert run.stdout, run.stderr
    findings = json.loads(run.stdout.splitlines()[-1])["findings"]
    inputs = {name: b64encode((corpus / name).read_bytes()).decode() for name in findings}
    assert not inputs, f"{run.stdout}\nInputs: {json.dumps(inputs, indent=1)}"
