"""The trainer with a real Redis, and a learner that counts: from what it learns, when, and when not."""

import time
from dataclasses import replace

import numpy as np
import pytest

from pipeline.contract import redis_keys
from pipeline.contract.image_codec import encode_jpeg
from pipeline.contract.messages import KeyFrame, TrainingSample, WeightSnapshot
from pipeline.contract.settings import Settings
from pipeline.queues.broker import GatewayBroker, connect
from pipeline.queues.counters import counts
from pipeline.queues.training_samples import Sharing
from pipeline.queues.weight_snapshots import Snapshots
from pipeline.styles.catalog import shipped
from support.services.redis_process import RedisServer
from workers import train
from workers.train import BATCH, GRACE_S, IMAGES_PER_SAMPLE, LEAST_SAMPLES, TICK_S, Trainer

STYLE = shipped()[0].id
IMAGES = 8
KEY = "a key of this deployment: 0123456789"


class Counting:
    """A learner whose weights are the colours that it has seen."""

    def __init__(self, settings: Settings) -> None:
        self.num_examples, self.base, self.seen = 0, b"", []

    def adopt(self, file: bytes) -> None:
        if file == b"bad":
            raise ValueError("these are weights of another model")
        self.base, self.num_examples = file, 0

    def step(self, pairs: list) -> None:
        self.num_examples += len(pairs)
        self.seen += [int(picture[0, 0, 0]) for picture, _ in pairs]

    def loss(self, pairs: list) -> float:
        return 1.0 / (1 + self.num_examples)

    def file(self) -> bytes:
        return self.base + b"+%d" % self.num_examples


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setattr("workers.serving.learner.Learner", Counting)
    monkeypatch.setattr(train, "YIELD_S", 0.0)


@pytest.fixture
def settings(redis_url, tmp_path) -> Settings:
    return replace(
        Settings(),
        redis_url=redis_url,
        train_images=IMAGES,
        round_deadline_s=60.0,
        snapshot_key=KEY,
        models_dir=tmp_path,
    )


@pytest.fixture
def trainer(settings) -> Trainer:
    return Trainer(settings)


def share(connection, count: int = LEAST_SAMPLES, *, shared_by: str = "a", grey: int = 100, style: str = STYLE) -> None:
    picture = encode_jpeg(np.full((16, 16, 3), grey, np.uint8))
    sharing = Sharing(connection, "edge")
    for _ in range(count):
        sharing.append(TrainingSample(shared_by, style, picture, sharing.allow(shared_by)))


def announce(connection, version: int, weights: bytes) -> WeightSnapshot:
    snapshot = WeightSnapshot.of(weights, edge_id=redis_keys.CLOUD, base_version=version, published=version)
    Snapshots(connection, KEY).publish_global(snapshot, weights)
    return snapshot


def turns(trainer: Trainer, count: int, start_s: float = 0.0) -> int:
    """The number of turns, one tick apart, in which there was work."""
    return sum(trainer.run_once(start_s + i * TICK_S) for i in range(1, count + 1))


def sent(connection) -> list[tuple[int, int, bytes]]:
    snapshots = Snapshots(connection, KEY)
    takes = [snapshots.take(again=False, block_ms=1) for _ in range(2)]  # the first one ever makes the group
    found = [snapshot for entries in takes for _, snapshot in entries]
    return [(one.base_version, one.num_examples, snapshots.weights(one)) for one in found]


def test_it_sends_what_a_number_of_images_taught_it_and_then_waits_for_the_next_global(trainer, connection):
    announce(connection, 3, b"three")
    share(connection)

    assert turns(trainer, 20) == IMAGES // BATCH
    assert sent(connection) == [(3, IMAGES, b"three+8")]

    announce(connection, 4, b"four")
    turns(trainer, 20, start_s=30)
    assert sent(connection) == [(4, IMAGES, b"four+8")]


def test_what_was_shown_in_another_mood_teaches_as_well(trainer, connection):
    announce(connection, 3, b"three")
    share(connection, style=f"{STYLE}~40")

    assert turns(trainer, 20) == IMAGES // BATCH


def test_it_tells_its_loss_before_and_after(trainer, connection):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 20)

    newest = WeightSnapshot.unpack(connection.xrevrange(redis_keys.WEIGHTS_LOCAL, count=1)[0][1][b"snapshot"])
    assert (newest.loss_before, newest.loss_after) == (1.0, 1.0 / (1 + IMAGES))
    told = trainer.metrics.registry.get_sample_value
    assert told("mvs_training_loss_sum", {"when": "before"}) == newest.loss_before
    assert told("mvs_training_loss_sum", {"when": "after"}) == newest.loss_after
    assert told("mvs_training_images_total") >= IMAGES and told("mvs_training_samples") == LEAST_SAMPLES


def test_without_samples_nothing_is_loaded_and_nothing_learned(trainer, connection):
    announce(connection, 0, b"zero")
    share(connection, LEAST_SAMPLES - 1)

    assert turns(trainer, 5) == 0
    assert trainer._learner is None


def test_without_a_cloud_nothing_is_learned(trainer, connection):
    share(connection)

    assert turns(trainer, 5) == 0


def test_each_sample_is_worth_some_images_and_no_more(settings, connection):
    trainer = Trainer(replace(settings, train_images=10**6))
    announce(connection, 0, b"zero")
    share(connection)

    assert turns(trainer, 100) == LEAST_SAMPLES * IMAGES_PER_SAMPLE // BATCH
    share(connection, 1)
    assert turns(trainer, 100, start_s=200) == IMAGES_PER_SAMPLE // BATCH


def test_it_gives_way_while_key_frames_wait(trainer, connection, redis_url):
    announce(connection, 0, b"zero")
    share(connection)
    gateway = GatewayBroker(redis_url, edge_id="edge", gateway_id="gateway")
    gateway.submit(KeyFrame("gateway", "stream", 1, STYLE, False, b"jpeg"))

    turns(trainer, 5)
    assert trainer._learner.num_examples == 0
    gateway.withdraw("stream", 1)
    turns(trainer, 1, start_s=10)

    assert trainer._learner.num_examples == BATCH
    gateway.close()


def test_a_global_that_comes_in_the_middle_waits_for_what_was_begun(trainer, connection):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 2)
    announce(connection, 1, b"one")

    turns(trainer, 20, start_s=10)

    assert sent(connection) == [(0, IMAGES, b"zero+8"), (1, IMAGES, b"one+8")]


def test_a_base_that_has_become_too_old_is_given_up(trainer, connection):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 2)
    announce(connection, 4, b"four")

    turns(trainer, 20, start_s=10)

    assert sent(connection) == [(4, IMAGES, b"four+8")]


def test_when_no_global_comes_it_begins_again_from_the_last_one(trainer, connection, settings):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 20)
    share(connection)

    assert turns(trainer, 5, start_s=30) == 0
    turns(trainer, 20, start_s=settings.round_deadline_s + GRACE_S + 10)

    assert sent(connection) == [(0, IMAGES, b"zero+8"), (0, IMAGES, b"zero+8")]


def test_a_global_of_another_model_is_not_learned_from(trainer, connection):
    announce(connection, 0, b"bad")
    share(connection)

    with pytest.raises(train.MVStylizerError, match="Global 0 is of no use here"):
        turns(trainer, 1)
    announce(connection, 1, b"one")
    turns(trainer, 1, start_s=10)

    assert trainer._learner.base == b"one"


def test_what_a_stream_takes_back_is_not_learned_from_any_more(trainer, connection):
    announce(connection, 0, b"zero")
    share(connection, shared_by="gone", grey=200)
    share(connection, shared_by="here", grey=50)
    turns(trainer, 1)
    learned = len(trainer._learner.seen)

    Sharing(connection, "edge").withdraw("gone")
    turns(trainer, 3, start_s=10)

    assert set(trainer._learner.seen[learned:]) == {50}
    assert {sample.shared_by for sample in trainer._samples.draw(100)} == {"here"}
    assert trainer._exam == ([], 0.0)


def test_nothing_is_learned_between_a_withdrawal_and_the_next_tick(trainer, connection):
    """This holds even for a trainer that looks for news once a second, since it asks right before it learns."""
    announce(connection, 0, b"zero")
    share(connection, shared_by="gone", grey=200)
    share(connection, 1, shared_by="here", grey=50)
    turns(trainer, 1)
    learned = len(trainer._learner.seen)

    Sharing(connection, "edge").withdraw("gone")
    trainer.run_once(1.1)  # no tick is due

    assert set(trainer._learner.seen[learned:]) == {50}


@pytest.mark.parametrize("how", ["emptied", "killed", "killed, and back as it was before"])
def test_a_withdrawal_outlives_the_redis_that_heard_it(settings, tmp_path, how):
    """It was acknowledged, and then Redis lost it before the trainer had read it."""
    server = RedisServer(tmp_path, dir=str(tmp_path))
    server.start()
    with connect(server.url) as connection:
        trainer = Trainer(replace(settings, redis_url=server.url))
        announce(connection, 0, b"zero")
        share(connection, shared_by="gone", grey=200)
        turns(trainer, 1)
        learned = len(trainer._learner.seen)
        if "back" in how:
            connection.save()

        Sharing(connection, "edge").withdraw("gone")
        if how == "emptied":
            connection.flushall()
        else:
            server.kill()
            server.start()
        announce(connection, 0, b"zero")
        share(connection, shared_by="here", grey=50)
        turns(trainer, 6, start_s=10)

        assert learned and set(trainer._learner.seen[learned:]) == {50}
        assert {sample.shared_by for sample in trainer._samples.draw(100)} == {"here"}
    server.stop()


def test_while_redis_is_away_nothing_is_learned(settings, tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    with connect(server.url) as connection:
        trainer = Trainer(replace(settings, redis_url=server.url))
        announce(connection, 0, b"zero")
        share(connection)
        turns(trainer, 1)
        learned = len(trainer._learner.seen)
        server.stop()

    assert not any(trainer._try() for _ in range(3))
    assert len(trainer._learner.seen) == learned


def test_a_surprise_ends_no_trainer_and_is_counted(trainer, connection, monkeypatch):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 1)

    def fail(pairs: list) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(trainer._learner, "step", fail)
    monkeypatch.setattr("workers.train.time.monotonic", lambda: 10.0)
    assert not trainer._try()
    monkeypatch.undo()
    turns(trainer, 10, start_s=20)

    assert counts(connection, ["mvs_learning_failures_total"]) == {"mvs_learning_failures_total": 1}
    assert trainer._learner.base == b"zero" and trainer._learner.num_examples > 0


def test_a_loss_that_is_no_number_is_not_sent(trainer, connection, monkeypatch):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 1)
    monkeypatch.setattr(trainer._learner, "loss", lambda pairs: float("nan"))

    with pytest.raises(train.MVStylizerError, match="makes no sense"):
        turns(trainer, 20, start_s=10)
    told = trainer.metrics.registry.get_sample_value

    assert sent(connection) == []
    assert told("mvs_training_loss_sum", {"when": "after"}) == 0


def test_a_picture_that_cannot_be_read_is_left_out_for_good(trainer, connection):
    announce(connection, 0, b"zero")
    sharing = Sharing(connection, "edge")
    share(connection)
    sharing.append(TrainingSample("b", STYLE, b"no picture", sharing.allow("b")))
    turns(trainer, 60)

    assert set(trainer._learner.seen) == {100}
    assert len(trainer._samples) == LEAST_SAMPLES


def test_an_unsigned_or_an_older_global_is_not_learned_from(trainer, connection):
    announce(connection, 5, b"five")
    share(connection)
    turns(trainer, 1)
    ((_, fields),) = connection.xrange(redis_keys.WEIGHTS_GLOBAL)
    announce(connection, 9, b"nine")
    turns(trainer, 20, start_s=10)
    connection.xadd(redis_keys.WEIGHTS_GLOBAL, fields)  # sent again
    evil = WeightSnapshot.of(b"evil", edge_id=redis_keys.CLOUD, base_version=99, published=99)
    Snapshots(connection).publish_global(evil, b"evil")
    share(connection)
    turns(trainer, 20, start_s=200)

    assert trainer._learner.base == b"nine"


def test_what_is_a_day_old_is_gone_from_the_trainer_too(trainer, connection, monkeypatch):
    announce(connection, 0, b"zero")
    share(connection)
    turns(trainer, 1)
    assert len(trainer._samples) == LEAST_SAMPLES

    a_day_later_s = time.time() + redis_keys.SAMPLES_TTL_S + 1
    monkeypatch.setattr("pipeline.queues.training_samples.time.time", lambda: a_day_later_s)
    learned = len(trainer._learner.seen)
    turns(trainer, 3, start_s=10)

    assert len(trainer._samples) == connection.xlen(redis_keys.samples("edge")) == 0
    assert trainer._exam == ([], 0.0)
    assert len(trainer._learner.seen) == learned


def test_a_sample_whose_style_is_gone_is_passed_over(trainer, connection):
    announce(connection, 0, b"zero")
    share(connection, style="0123456789abcdef")

    turns(trainer, 10)

    assert trainer._learner.num_examples == 0


def test_a_trainer_that_crashed_begins_again_with_what_is_still_there(settings, connection):
    announce(connection, 0, b"zero")
    share(connection)
    turns(Trainer(settings), 2)

    turns(Trainer(settings), 20)

    assert sent(connection) == [(0, IMAGES, b"zero+8")]
