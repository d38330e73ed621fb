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

from replay import CORPUS
from support.missing import missing

#: For inputs that nobody has seen; those that are the same each time take twenty seconds more.
SECONDS = float(os.environ.get("MVS_FUZZ_SECONDS", 20))
#: Inputs of each target.
SAME_INPUTS = 300


def found(tmp_path: Path, **options: object) -> str:
    """The findings that run.py reports, with their inputs; "" if there are none."""
    if find_spec("atheris") is None:
        missing("atheris, which has no wheel for this platform,")
    corpus = shutil.copytree(CORPUS, tmp_path / "corpus")
    options |= {"corpus": corpus, "evolved": tmp_path / "evolved"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]

    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("run.py"), *words], capture_output=True, text=True, timeout=280
    )

    assert run.stdout, run.stderr
    findings = json.loads(run.stdout.splitlines()[-1])["findings"]
    inputs = {name: b64encode((corpus / name).read_bytes()).decode() for name in findings}
    return f"{run.stdout}\nInputs: {json.dumps(inputs, indent=1)}" if inputs else ""


def test_of_the_same_inputs_each_time_none_is_a_finding(tmp_path):
    assert found(tmp_path, runs=SAME_INPUTS, seed=1) == ""


def test_no_new_input_is_a_finding(tmp_path):
    """A failure names its seed and holds the inputs; run.py --seed goes the same way again."""
    assert found(tmp_path, seconds=SECONDS, seed=secrets.randbelow(2**31)) == ""
