"""An edge's previews: every style in one job, and never before a key frame."""

from dataclasses import replace

import numpy as np
import pytest

from edge.grid_model.stylizer import GridStylizer
from pipeline.contract import redis_keys
from pipeline.contract.grid_codec import unpack_grid
from pipeline.contract.image_codec import decode_image, encode_jpeg
from pipeline.contract.messages import KeyFrame, PreviewGrids, PreviewPicture
from pipeline.contract.settings import Settings
from pipeline.queues.broker import GatewayBroker, preview_queue, stylize_queue
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from pipeline.styles.catalog import shipped
from support.models.counting_stylizer import PICTURE, Counter
from workers import stylize
from workers.serving.key_frame_batch import Served
from workers.serving.previews import Unprepared, previews
from workers.stylize import Edge, EdgeWorker

STYLES = {style.id: style.jpeg for style in shipped()}


def request(number: int, *styles: str, picture: bytes = PICTURE) -> PreviewPicture:
    return PreviewPicture("gateway", "stream", number, 7, ",".join(styles), picture)


@pytest.fixture
def broker(redis_url):
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    yield broker
    broker.close()


@pytest.fixture
def edge(redis_url, monkeypatch) -> Edge:
    edge = Edge(replace(Settings(), redis_url=redis_url), Counter())
    monkeypatch.setattr(stylize, "EDGE", edge)
    return edge


@pytest.fixture
def worker(connection) -> EdgeWorker:
    queues = [stylize_queue(connection, "edge"), preview_queue(connection, "edge")]
    worker = EdgeWorker(queues, connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
    worker.beacon, worker.model_version = redis_keys.worker_beacon("edge"), lambda: "version"
    return worker


def answers(connection) -> list[str]:
    """What was answered, in order."""
    return [field.decode() for _, entry in connection.xrange(redis_keys.results("gateway")) for field in entry]


def test_all_key_frames_are_answered_before_any_preview(broker, edge, worker, connection):
    served = list(STYLES)[:2]
    for style in served:
        edge._served.style(style, STYLES.get)
    broker.submit_previews([request(1, *served), request(2, *served)])
    for frame_id in range(3):
        broker.submit(KeyFrame("gateway", "stream", frame_id, served[0], False, PICTURE))

    worker.work(burst=True)

    assert answers(connection) == ["frame"] * 3 + ["previews"] * 2
    assert edge.metrics.previews["answered"]._value.get() == 2


def test_a_key_frame_that_comes_meanwhile_waits_for_one_style_at_most(broker, edge, worker, connection, monkeypatch):
    """The statistics of a style take as long as a key frame, and a job has eight styles."""
    broker.submit_previews([request(1, *STYLES)])
    taken = edge._served.style

    def style(*args):
        if edge._served.stylizer.styles == 1:
            broker.submit(KeyFrame("gateway", "stream", 1, list(STYLES)[0], False, PICTURE))
        return taken(*args)

    monkeypatch.setattr(edge._served, "style", style, raising=False)

    worker.work(burst=True)

    assert answers(connection) == ["frame", "previews"]
    assert edge._served.stylizer.styles == len(STYLES)
    assert edge.metrics.previews["again"]._value.get() == len(STYLES)


def test_a_picture_that_waited_too_long_or_cannot_be_read_is_counted(broker, edge, worker, connection):
    style = list(STYLES)[0]
    edge._served.style(style, STYLES.get)
    broker.submit_previews([request(1, style), request(2, style, picture=b"no jpeg"), request(3, "0" * 16)])
    connection.delete(redis_keys.preview("stream", 1))

    worker.work(burst=True)

    assert answers(connection) == []
    assert edge.metrics.previews["late"]._value.get() == edge.metrics.previews["refused"]._value.get() == 1


def test_a_style_that_is_not_known_any_more_is_left_out():
    served, picture = Served(Counter()), request(1, "0" * 16, *STYLES)
    while isinstance(made := previews(served, picture, STYLES.get), Unprepared):
        continue

    assert made.styles == list(STYLES)


def test_each_style_s_part_of_the_answer_is_its_own_look_roughly():
    stylizer = GridStylizer.load(device="cpu")
    served, content = Served(stylizer), decode_image(list(STYLES.values())[0])[:360, :640]
    picture = request(1, *STYLES, picture=encode_jpeg(content))
    while isinstance(made := previews(served, picture, STYLES.get), Unprepared):
        continue

    assert isinstance(made, PreviewGrids)
    assert PreviewGrids.unpack(made.pack()) == made
    parts = np.split(unpack_grid(made.grids, made.grid_shape), len(STYLES), axis=1 + 1)
    assert len(made.grids) < 32_000
    means = [part.astype(np.float32).mean((1, 2, 3)) for part in parts]
    full = [stylizer.stylize(content, served.style(style, STYLES.get)).astype(np.float32) for style in STYLES]
    for own, mean in enumerate(means):
        distances = [np.abs(mean - other.mean((1, 2, 3))).sum() for other in full]
        assert np.argmin(distances) == own


def test_a_served_style_is_taken_with_the_mood_that_suits_it():
    stylizer = GridStylizer.load(device="cpu")
    served = Served(stylizer)
    own = encode_jpeg(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))

    moods = [served.style(style_id, {**STYLES, "own": own}.get).mood.item() for style_id in (*STYLES, "own")]

    assert moods == pytest.approx([*(style.mood for style in shipped()), 1.0])
