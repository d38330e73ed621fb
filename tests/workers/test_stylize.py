from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
import redis
from rq import SimpleWorker
from rq.timeouts import JobTimeoutException

from edge.grid_model.temporal_average import MEMORY_S, StreamState
from pipeline.contract import redis_keys
from pipeline.contract.image_codec import encode_jpeg
from pipeline.contract.messages import KeyFrame, StreamMemory, TrainingSample
from pipeline.contract.settings import Settings
from pipeline.key_frames import change
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.rq_job import AllowListedJob, MsgpackSerializer
from pipeline.queues.training_samples import Sharing, public_name
from pipeline.styles.catalog import shipped
from support.models.counting_stylizer import PICTURE, Counter
from workers.serving import key_frame_batch
from workers.stylize import Edge, EdgeWorker


@pytest.fixture
def settings(redis_url) -> Settings:
    return replace(Settings(), redis_url=redis_url)


DUSK, SNOW = shipped()[0].id, shipped()[1].id


@pytest.fixture
def broker(settings):
    broker = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway")
    yield broker
    broker.close()


def key_frame(number: int, stream_id: str = "a", *, scene: int = 0, style_id: str = DUSK) -> KeyFrame:
    """A stream's key frame; they are half a second apart."""
    return KeyFrame(
        "gateway", stream_id, number, style_id, False, PICTURE, scene=scene, picked_ms=1_000_000 + 500 * number
    )


def answer(broker: GatewayBroker, edge: Edge, frame: KeyFrame) -> None:
    broker.submit(frame)
    edge.stylize(frame.stream_id, frame.frame_id)


def test_each_stream_has_its_memory_until_another_scene_or_style(settings, broker):
    stylizer = Counter()
    edge = Edge(settings, stylizer)

    for frame in (
        key_frame(0),
        key_frame(1),
        key_frame(2, "b"),
        key_frame(3),
        key_frame(4, scene=1),
        key_frame(5, scene=1),
        key_frame(6, scene=1, style_id=SNOW),
    ):
        answer(broker, edge, frame)

    assert stylizer.states == [1, 2, 1, 3, 1, 2, 1]
    assert stylizer.elapsed_s == [0, 0.5, 0, 1.0, 0, 0.5, 0]


def test_a_streams_memory_is_the_same_whichever_worker_takes_its_key_frames(settings, broker):
    """Before, it lived in a worker's process, so that three workers in turn counted 1 1 1 2 2 2."""
    stylizers = [Counter() for _ in range(3)]
    edges = [Edge(settings, stylizer) for stylizer in stylizers]

    for number in range(6):
        answer(broker, edges[number % 3], key_frame(number))
    del edges[0]  # and where one is gone
    for number in range(6, 9):
        answer(broker, edges[number % 2], key_frame(number))

    assert sorted(state for stylizer in stylizers for state in stylizer.states) == list(range(1, 10))


@pytest.mark.parametrize("when", ["equations", "settle"])
def test_two_key_frames_of_a_stream_that_are_worked_on_at_once_build_on_each_other(settings, broker, when):
    """The second worker has its key frame, or even the memory, when the first one answers."""
    first, second = Edge(settings, Counter()), Interrupted(when)
    answer(broker, first, key_frame(0))
    broker.submit(key_frame(1))
    second.meanwhile = lambda: first.stylize("a", 1)

    answer(broker, Edge(settings, second), key_frame(2))

    assert second.states[-1] == 3 and second.elapsed_s[-1] == 0.5


def test_a_key_frame_that_the_next_one_overtook_leaves_nothing(settings, broker):
    slow, quick, third = Interrupted("equations"), Counter(), Counter()
    answer(broker, Edge(settings, quick), key_frame(0))
    slow.meanwhile = lambda: answer(broker, Edge(settings, quick), key_frame(2))

    answer(broker, Edge(settings, slow), key_frame(1))
    answer(broker, Edge(settings, third), key_frame(3))

    assert quick.states == [1, 2] and third.states == [3]
    assert quick.elapsed_s == [0, 1.0] and slow.elapsed_s == [0.0] and third.elapsed_s == [0.5]


def test_a_scenes_last_key_frame_that_is_answered_late_has_no_say_in_the_next_scene(settings, broker):
    slow, quick = Interrupted("settle"), Counter()
    answer(broker, Edge(settings, quick), key_frame(0))
    slow.meanwhile = lambda: answer(broker, Edge(settings, quick), key_frame(2, scene=1))

    answer(broker, Edge(settings, slow), key_frame(1))
    answer(broker, Edge(settings, quick), key_frame(3, scene=1))

    assert quick.states == [1, 1, 2]  # and the late one, which its client drops, left nothing


class Interrupted(Counter):
    """Something happens once, while it works."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self._when, self.meanwhile = when, lambda: None

    def equations_of_each(self, *arguments):
        self._interrupt("equations")
        return super().equations_of_each(*arguments)

    def settle(self, *arguments, **options):
        self._interrupt("settle")
        return super().settle(*arguments, **options)

    def _interrupt(self, where: str) -> None:
        if where == self._when:
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"rubbish",
        bytes(3 << 20),
        StreamMemory(DUSK, 0, 1_000_000, (2, 22, 1, 1, 1), b"").pack(),
        StreamMemory(DUSK, 0, 1_000_000, (2, 22, 1, 1, 1), b"\xff" * 88).pack(),  # not numbers
        StreamMemory(DUSK, 0, 1_000_000, (2, 22, 0, 1, 1), b"").pack(),
        StreamMemory(DUSK, 0, 1_000_000, (2, 22, 1 << 40, 1 << 40, 1), b"").pack(),
        StreamMemory(DUSK, 0, 1_000_000, (44,), bytes(88)).pack(),
        StreamMemory(DUSK, 0, 1 << 50, (2, 22, 1, 1, 1), bytes(88)).pack(),  # from the future
        StreamMemory(DUSK, 1, 1_000_000, (2, 22, 1, 1, 1), bytes(88)).pack(),
        ["a list"],
    ],
    ids=lambda lie: repr(lie)[:40],
)
def test_a_memory_that_is_none_costs_nothing_but_itself(settings, broker, lie):
    stylizer = Counter()
    with connect(settings.redis_url) as connection:
        key = redis_keys.memory("a")
        connection.rpush(key, *lie) if isinstance(lie, list) else connection.set(key, lie)

        for number in (1, 2):
            answer(broker, Edge(settings, stylizer), key_frame(number))

    assert stylizer.states == [1, 2]


def test_a_memory_with_which_no_grid_is_finite_is_done_without(settings, broker):
    """If it were kept, its stream would get no looks for as long as Redis has it."""
    stylizer = Poisoned()
    edge = Edge(settings, stylizer)

    for number in range(3):
        answer(broker, edge, key_frame(number))

    assert edge.metrics.handled["answered"]._value.get() == 3


class Poisoned(Counter):
    """A stylizer that fails with any memory."""

    def settle(self, equations: None, state: StreamState | None, *, elapsed_s: float, **options):
        if state is not None:
            raise ValueError("no finite grid")
        return super().settle(equations, state, elapsed_s=elapsed_s)


async def test_a_memory_that_redis_has_no_room_for_costs_no_answer(settings, broker, monkeypatch):
    edge = Edge(settings, Counter())
    monkeypatch.setattr(redis_keys, "STREAM_MEMORY_TTL_S", 0)  # which Redis refuses

    for number in range(2):
        answer(broker, edge, key_frame(number))

    async with aclosing(broker.answers()) as answers:
        assert [(await anext(answers)).error for _ in range(2)] == ["", ""]


def test_a_memory_is_gone_soon_after_its_stream(settings, broker):
    answer(broker, Edge(settings, Counter()), key_frame(0))

    with connect(settings.redis_url) as connection:
        assert 0 < connection.ttl(redis_keys.memory("a")) <= redis_keys.STREAM_MEMORY_TTL_S


async def test_a_new_model_answers_from_the_next_job_on_and_knows_the_styles_in_use(settings):
    broker, fresh = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Counter("fresh")
    edge = Edge(settings, Counter())

    def answer(frame_id: int) -> None:
        broker.submit(KeyFrame("gateway", "a", frame_id, shipped()[0].id, False, PICTURE))
        edge.stylize("a", frame_id)

    answer(0)
    edge.adopt(fresh)
    looked_at = fresh.styles
    answer(1)

    async with aclosing(broker.answers()) as answers:
        assert [(await anext(answers)).model_version for _ in range(2)] == ["counter", "fresh"]
    assert looked_at == fresh.styles == 1
    assert fresh.states == [2]  # the stream's memory goes on
    assert edge.model_version == "fresh"
    broker.close()


class Broken(Counter):
    """A stylizer whose grids are not finite."""

    def settle(self, *arguments, **options):
        grid, state = super().settle(*arguments, **options)
        return grid + np.float16(np.nan), state


async def test_a_grid_that_is_not_finite_is_an_error_and_not_remembered(settings):
    broker, stylizer = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Broken()
    edge = Edge(settings, stylizer)

    for frame_id in range(2):
        broker.submit(KeyFrame("gateway", "a", frame_id, shipped()[0].id, False, PICTURE))
        edge.stylize("a", frame_id)

    async with aclosing(broker.answers()) as answers:
        assert "not finite" in (await anext(answers)).error
    assert stylizer.states == [1, 1]
    broker.close()


class Swapping(Counter):
    """Another model is adopted while this one works."""

    edge: Edge

    def equations_of_each(self, *arguments):
        self.edge.adopt(Counter("fresh"))
        return super().equations_of_each(*arguments)


async def test_a_model_that_comes_in_the_middle_of_a_job_does_not_sign_it(settings):
    broker, stylizer = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Swapping("old")
    stylizer.edge = edge = Edge(settings, stylizer)

    broker.submit(KeyFrame("gateway", "a", 0, shipped()[0].id, False, PICTURE))
    edge.stylize("a", 0)

    async with aclosing(broker.answers()) as answers:
        assert (await anext(answers)).model_version == "old"
    assert edge.model_version == "fresh"
    broker.close()


def batch(edge: Edge, names: list[tuple[str, int]]) -> None:
    """Have the key frames of these names answered as a worker does that took their jobs at once."""
    edge.expect(names)
    for name in names:
        edge.stylize(*name)


def test_key_frames_that_were_taken_at_once_are_drawn_in_one_batch(settings, broker):
    stylizer = Counter()
    edge, frames = Edge(settings, stylizer), [key_frame(0), key_frame(1, "b", style_id=SNOW), key_frame(2)]
    for frame in frames:
        broker.submit(frame)

    batch(edge, [(frame.stream_id, frame.frame_id) for frame in frames])

    assert stylizer.batches == [3]
    assert stylizer.states == [1, 1, 2] and stylizer.elapsed_s == [0, 0, 1.0]  # each stream's in turn
    assert edge.metrics.handled["answered"]._value.get() == 3


def test_pictures_of_different_shapes_are_drawn_one_by_one(settings, broker):
    stylizer, upright = Counter(), encode_jpeg(np.zeros((48, 32, 3), np.uint8))
    broker.submit(key_frame(0))
    broker.submit(replace(key_frame(1, "b"), picture=upright))

    batch(Edge(settings, stylizer), [("a", 0), ("b", 1)])

    assert stylizer.batches == [1, 1]


async def test_what_is_wrong_with_one_key_frame_of_a_batch_is_its_own_trouble(settings, broker):
    edge = Edge(settings, stylizer := Counter())
    for frame in (
        key_frame(0),
        replace(key_frame(1, "b"), picture=b"no picture"),
        key_frame(2, "c", style_id="no such style"),
        key_frame(4, "d"),
    ):
        broker.submit(frame)

    batch(edge, [("a", 0), ("b", 1), ("c", 2), ("gone", 3), ("d", 4)])

    assert stylizer.batches == [2]
    handled = {name: edge.metrics.handled[name]._value.get() for name in ("answered", "failed", "late")}
    assert handled == {"answered": 2, "failed": 2, "late": 1}
    async with aclosing(broker.answers()) as answers:
        found = [await anext(answers) for _ in range(4)]
    assert [answer.stream_id for answer in found if not answer.error] == ["a", "d"]


def test_a_surprise_of_another_key_frame_is_left_to_that_ones_own_job(settings, broker, monkeypatch):
    edge, decode = Edge(settings, Counter()), key_frame_batch.decode_image
    broker.submit(key_frame(0))
    broker.submit(replace(key_frame(1, "b"), picture=b"bomb"))

    def explode(jpeg: bytes) -> np.ndarray:
        if jpeg == b"bomb":
            raise OSError("a library's surprise")
        return decode(jpeg)

    monkeypatch.setattr(key_frame_batch, "decode_image", explode)
    edge.expect([("a", 0), ("b", 1)])
    edge.stylize("a", 0)

    assert edge.metrics.handled["answered"]._value.get() == 1
    with pytest.raises(OSError, match="surprise"):
        edge.stylize("b", 1)


def test_the_time_limit_of_the_job_that_runs_ends_it_also_while_another_key_frame_is_decoded(
    settings, broker, monkeypatch
):
    edge, decode = Edge(settings, Counter()), key_frame_batch.decode_image
    broker.submit(key_frame(0))
    broker.submit(replace(key_frame(1, "b"), picture=b"slow"))

    def time_out(jpeg: bytes) -> np.ndarray:
        if jpeg == b"slow":
            raise JobTimeoutException
        return decode(jpeg)

    monkeypatch.setattr(key_frame_batch, "decode_image", time_out)
    edge.expect([("a", 0), ("b", 1)])

    with pytest.raises(JobTimeoutException):
        edge.stylize("a", 0)


class Small(Counter):
    """A device that has room for one picture."""

    def equations_of_each(self, contents, styles):
        if len(contents) > 1:
            raise RuntimeError("out of memory")
        return super().equations_of_each(contents, styles)


def test_a_batch_for_which_a_device_has_no_room_is_drawn_one_by_one(settings, broker):
    edge = Edge(settings, stylizer := Small())
    broker.submit(key_frame(0))
    broker.submit(key_frame(1, "b"))

    batch(edge, [("a", 0), ("b", 1)])

    assert stylizer.batches == [1, 1] and edge.metrics.handled["answered"]._value.get() == 2


def test_a_model_that_comes_between_two_key_frames_of_a_batch_signs_none_of_them(settings, broker):
    edge, fresh = Edge(settings, Counter("old")), Counter("fresh")
    broker.submit(key_frame(0))
    broker.submit(key_frame(1, "b"))

    edge.expect([("a", 0), ("b", 1)])
    edge.stylize("a", 0)
    edge.adopt(fresh)
    edge.stylize("b", 1)

    assert fresh.states == [] and edge.model_version == "fresh"


@pytest.mark.parametrize("arguments", [(), ("a",), ("a", 0, 1), (b"a", 0), ({}, []), ("x" * 65, 0)], ids=repr)
def test_jobs_whose_arguments_name_no_key_frame_are_expected_by_nobody(settings, broker, arguments):
    edge = Edge(settings, Counter())
    broker.submit(key_frame(0))

    edge.expect([arguments, ("a", 0)])
    edge.stylize("a", 0)

    assert edge.metrics.handled["answered"]._value.get() == 1


def test_only_shared_key_frames_are_learned_from(settings):
    broker, edge = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Edge(settings, Counter())
    style_id = shipped()[0].id
    broker.share("me", True)
    for frame_id, shared in enumerate(["", "me", ""]):
        broker.submit(KeyFrame("gateway", f"{frame_id}", frame_id, style_id, False, PICTURE, shared))
        edge.stylize(f"{frame_id}", frame_id)

    with connect(settings.redis_url) as connection:
        (found,), _ = Sharing(connection, "edge").read("0")
    assert found.sample == TrainingSample(public_name("me"), style_id, PICTURE, found.sample.consent)
    broker.close()


def test_many_heartbeats_in_a_second_are_one(settings, monkeypatch):
    calls = []
    monkeypatch.setattr(SimpleWorker, "heartbeat", lambda *arguments: calls.append(arguments))
    with redis.Redis.from_url(settings.redis_url) as connection:
        worker = EdgeWorker(["q"], connection=connection, job_class=AllowListedJob, serializer=MsgpackSerializer)
        worker.beacon, worker.model_version = "beacon", lambda: "version"

        for _ in range(5):
            worker.heartbeat()

        assert len(calls) == 1
        assert connection.get("beacon") == b"version"


def test_what_becomes_of_key_frames_is_counted(settings):
    broker, edge = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Edge(settings, Counter())
    broker.submit(KeyFrame("gateway", "a", 0, shipped()[0].id, False, PICTURE))
    broker.submit(KeyFrame("gateway", "a", 1, "no such style", False, PICTURE))

    for frame_id in range(3):  # the last one is not there
        edge.stylize("a", frame_id)
    edge.adopt(Counter("fresh"))

    def value(name: str, **labels: str) -> float:
        return edge.metrics.registry.get_sample_value(name, labels)

    handled = {o: value("mvs_edge_key_frames_total", outcome=o) for o in ("answered", "failed", "late", "refused")}
    assert handled == {"answered": 1, "failed": 1, "late": 1, "refused": 0}
    assert value("mvs_edge_busy_seconds_total") > 0 and value("mvs_edge_styles_cached") == 1
    assert value("mvs_model_info", version="fresh") == value("mvs_edge_models_adopted_total") == 1
    broker.close()


async def test_an_answer_says_how_long_its_key_frame_waited(settings):
    broker, edge = GatewayBroker(settings.redis_url, edge_id="edge", gateway_id="gateway"), Edge(settings, Counter())
    broker.submit(KeyFrame("gateway", "a", 0, shipped()[0].id, False, PICTURE))
    with connect(settings.redis_url) as connection:
        connection.pexpire(redis_keys.blob("a", 0), redis_keys.KEY_FRAME_DEADLINE_MS - 600)  # as if 600 ms were over

    edge.stylize("a", 0)

    async with aclosing(broker.answers()) as answers:
        assert 600 <= (await anext(answers)).queue_ms < redis_keys.KEY_FRAME_DEADLINE_MS
    broker.close()


def test_the_gateway_expects_the_edge_to_remember_for_as_long_as_it_does():
    assert change.MEMORY_S == MEMORY_S


def test_an_answer_is_made_for_the_middle_of_the_time_on_show(settings, broker):
    counter = Counter()
    edge = Edge(settings, counter)

    for number in range(2):
        answer(broker, edge, key_frame(number))

    assert counter.leads_s == [change.lead_s(0.0), change.lead_s(0.5)]
