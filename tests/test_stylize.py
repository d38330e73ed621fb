"""What one edge worker makes of its jobs, over a real Redis, with a network that answers at once."""

import numpy as np
import pytest

from pipeline import topology
from pipeline.broker import EdgeBroker, connect
from pipeline.codec import encode_jpeg
from pipeline.messages import KeyFrame, StylizedFrame
from pipeline.settings import Settings
from pipeline.styles import shipped
from workers import stylize
from workers.stylize import STYLES_CACHED, Edge

PICTURE = encode_jpeg(np.full((90, 160, 3), 120, np.uint8))
GRID = np.ones((3, 8, 9, 16, 4), np.float16)


class InstantStylizer:
    """The Stylizer's face without its network."""

    model_version = "instant"

    def __init__(self) -> None:
        self.styles = 0

    def style(self, image: np.ndarray) -> str:
        self.styles += 1
        return "statistics"

    def follow(self, content: np.ndarray, style: str, state: object, *, elapsed_s: float) -> tuple[np.ndarray, object]:
        assert content.shape == (90, 160, 3) and style == "statistics"
        return GRID, None


@pytest.fixture
def connection(redis_url):
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def edge(redis_url):
    return Edge(Settings(redis_url=redis_url), InstantStylizer())


def put(connection, frame_id: int = 7, style_id: str = shipped()[0].id, picture: bytes = PICTURE) -> None:
    frame = KeyFrame("gateway", "stream", frame_id, style_id, False, picture)
    connection.set(topology.blob("stream", frame_id), frame.pack())


def answers(connection) -> list[StylizedFrame]:
    entries = connection.xrange(topology.results("gateway"))
    return [StylizedFrame.unpack(fields[b"frame"]) for _, fields in entries]


def test_a_key_frame_is_answered_with_its_grid(connection, edge):
    put(connection)

    edge.stylize("stream", 7)

    (answer,) = answers(connection)
    assert (answer.frame_id, answer.style_id, answer.model_version) == (7, shipped()[0].id, "instant")
    assert answer.grid_shape == (8, 9, 16) and answer.grid == GRID.tobytes()
    assert answer.error == "" and answer.stylize_ms >= 0


def test_a_key_frame_past_its_deadline_is_left_alone(connection, edge):
    edge.stylize("stream", 7)

    assert answers(connection) == []


def test_a_damaged_message_is_left_alone(connection, edge):
    connection.set(topology.blob("stream", 7), b"rubbish")

    edge.stylize("stream", 7)

    assert answers(connection) == []


@pytest.mark.parametrize(("change", "word"), [({"style_id": "0" * 16}, "style"), ({"picture": b"rubbish"}, "damaged")])
def test_what_cannot_be_stylized_is_answered_with_one_sentence(connection, edge, change, word):
    put(connection, **change)

    edge.stylize("stream", 7)

    (answer,) = answers(connection)
    assert word in answer.error and answer.error.endswith(".")
    assert answer.grid == b""


def test_a_style_is_looked_at_once_and_the_cache_is_bounded(connection, edge):
    for number in range(2 * STYLES_CACHED):
        connection.set(topology.style(f"{number:016x}"), PICTURE)
        for frame_id in (2 * number, 2 * number + 1):
            put(connection, frame_id=frame_id, style_id=f"{number:016x}")
            edge.stylize("stream", frame_id)

    assert edge._stylizer.styles == 2 * STYLES_CACHED
    assert len(edge._cache) == STYLES_CACHED


def test_the_job_runs_on_the_edge_of_its_process(connection, edge, monkeypatch):
    monkeypatch.setattr(stylize, "EDGE", edge)
    put(connection)

    stylize.stylize_key_frame("stream", 7)

    assert len(answers(connection)) == 1


def test_answers_are_one_stream_a_gateway_and_expire(connection, edge):
    put(connection)
    edge.stylize("stream", 7)

    assert 0 < connection.ttl(topology.results("gateway")) <= topology.RESULTS_TTL_S
    assert EdgeBroker(connection).take("stream", 7) is None
