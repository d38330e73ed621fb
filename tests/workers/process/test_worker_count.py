import argparse

import pytest

from pipeline.contract.errors import BadSetting
from workers import up
from workers.process.worker_count import MOST_WORKERS, OTHERS_BYTES, WORKER_BYTES, has_gpu, worker_count

PLENTY = 64 << 30


@pytest.mark.parametrize(
    ("cores", "free_bytes", "has_gpu", "expected"),
    [
        (1, PLENTY, False, 1),
        (2, PLENTY, False, 1),
        (3, PLENTY, False, 2),
        (64, PLENTY, False, MOST_WORKERS),
        (4, OTHERS_BYTES + 2 * WORKER_BYTES, False, 2),
        (4, OTHERS_BYTES + 2 * WORKER_BYTES - 1, False, 1),
        (4, 0, False, 1),
        (64, PLENTY, True, 1),
    ],
)
def test_as_many_workers_are_started_as_the_machine_carries(cores, free_bytes, has_gpu, expected):
    assert worker_count(cores, free_bytes, has_gpu) == expected


def test_a_gpu_is_found_by_its_device_unless_it_is_hidden(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidiactl").touch()
    assert not has_gpu(tmp_path)

    (tmp_path / "nvidia0").touch()
    assert has_gpu(tmp_path)

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not has_gpu(tmp_path)


@pytest.mark.parametrize(("options", "expected"), [([], 3), (["--workers", "auto"], 3), (["--workers", "7"], 7)])
def test_up_counts_its_workers_unless_it_is_told_a_number(options, expected, monkeypatch):
    monkeypatch.setattr(up, "worker_count_here", lambda: 3)
    parser = argparse.ArgumentParser()
    up.add_arguments(parser)

    assert up.number_of_workers(parser.parse_args(options).workers) == expected


@pytest.mark.parametrize("number", ["0", "-1", "two", "", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(number):
    with pytest.raises(BadSetting, match="--workers"):
        up.number_of_workers(number)
