"""Previews have a queue of their own, which is bounded, and stays empty while key frames wait."""

from contextlib import aclosing

import pytest

from pipeline.contract import redis_keys
from pipeline.contract.errors import BadMessage
from pipeline.contract.messages import KeyFrame, PreviewGrids, PreviewPicture
from pipeline.queues.broker import GatewayBroker, preview_queue, stylize_queue
from pipeline.queues.edge_broker import EdgeBroker

PICTURE = PreviewPicture("gateway", "stream", 3, 7, "dusk,snow", b"jpeg")
GRIDS = PreviewGrids("stream", 3, 7, "dusk,snow", (1, 4, 3), b"grids")


@pytest.fixture
def gateway(redis_url):
    broker = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    yield broker
    broker.close()


async def test_a_picture_goes_to_the_edge_and_its_grids_come_back(connection, gateway):
    assert gateway.submit_previews([PICTURE])

    assert stylize_queue(connection, "edge").count == 0
    (job,) = preview_queue(connection, "edge").jobs
    edge = EdgeBroker(connection)
    assert edge.preview(*job.args) == PICTURE
    edge.answer_preview("gateway", GRIDS)

    async with aclosing(gateway.answers()) as answers:
        assert await anext(answers) == GRIDS
    assert edge.preview(*job.args) is None


def test_pictures_and_their_queue_are_gone_soon_where_no_worker_takes_them(connection, gateway):
    gateway.submit_previews([PICTURE])

    assert 0 < connection.pttl(redis_keys.preview("stream", 3)) <= redis_keys.PREVIEW_DEADLINE_MS
    assert 0 < connection.ttl(preview_queue(connection, "edge").key) <= 60


def test_nothing_is_queued_behind_too_many_others(connection, gateway):
    for number in range(redis_keys.PREVIEWS_WAITING - 1):
        assert gateway.submit_previews([PreviewPicture("gateway", "stream", number, 7, "dusk", b"jpeg")])

    assert not gateway.submit_previews([PICTURE, PICTURE])
    assert preview_queue(connection, "edge").count == redis_keys.PREVIEWS_WAITING - 1


def test_nothing_is_queued_while_key_frames_wait(connection, gateway):
    gateway.submit(KeyFrame("gateway", "stream", 7, "style", False, b"jpeg"))

    assert not gateway.submit_previews([PICTURE])
    assert preview_queue(connection, "edge").count == 0


@pytest.mark.parametrize(
    "message",
    [
        PreviewPicture("gateway", "stream", 3, 65_536, "dusk", b"jpeg"),
        PreviewPicture("gateway", "stream", 3, 7, ",".join(map(str, range(9))), b"jpeg"),
        PreviewGrids("stream", 3, 65_536, "dusk", (1, 4, 3), b"grids"),
        PreviewGrids("stream", 3, 7, "dusk,snow", (1, 5, 3), b"grids"),
        PreviewGrids("stream", 3, 7, "dusk,snow", (1, 0, 3), b"grids"),
        PreviewGrids("stream", 3, 7, "dusk,snow", (4, 3), b"grids"),
    ],
)
def test_what_no_gateway_and_no_edge_says_is_refused(message):
    with pytest.raises(BadMessage):
        type(message).unpack(message.pack())
