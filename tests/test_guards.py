import importlib.metadata

import pytest
from aiortc import rtcsctptransport
from hypothesis import given
from hypothesis import strategies as st

from pipeline import guards


@pytest.fixture(autouse=True)
def installed():
    guards.install()


def test_the_guards_are_written_for_the_installed_aiortc():
    """A new minor version: look whether the holes are still there."""
    assert importlib.metadata.version("aiortc").startswith("1.16.")


@pytest.mark.parametrize("body", [b"\0\1\0\0", b"\0\1\0\3abcd", b"\0\1\0\x09abcd", b"\0\1\0\x08abcd\0\1\0\0"])
def test_a_parameter_that_would_loop_or_overrun_is_refused(body):
    with pytest.raises(ValueError):
        rtcsctptransport.decode_params(body)


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=9)), max_size=5))
def test_good_parameters_are_read_as_before(params):
    assert rtcsctptransport.decode_params(rtcsctptransport.encode_params(params)) == params


@given(st.binary(max_size=200))
def test_any_bytes_end(body):
    try:
        rtcsctptransport.decode_params(body)
    except ValueError:
        return
