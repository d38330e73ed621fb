import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.federated.history import before, models
from cloud.federated.registry import Registry

#: None is a round's new model, "back" a rollback, and a number a rollback to that version, if it is kept.
STEPS = st.lists(st.none() | st.just("back") | st.integers(0, 14), max_size=14)


def origins(*made: str) -> dict[int, str]:
    return dict(enumerate(("shipped", *made)))


def test_a_rollback_makes_no_new_model():
    assert models(origins("round", "round", "version 1", "version 3")) == {0: 0, 1: 1, 2: 2, 3: 1, 4: 1}


def test_each_rollback_goes_one_model_further_back():
    assert before(origins("round", "round")) == 1
    assert before(origins("round", "round", "version 1")) == 0
    assert before(origins("round", "round", "version 1", "version 0")) is None


def test_what_was_learned_after_a_rollback_came_of_the_model_that_was_gone_back_to():
    assert before(origins("round", "round", "version 1", "round")) == 3  # which is version 1


def test_a_package_with_another_model_begins_a_new_line():
    assert before(origins("round", "shipped")) is None
    assert before(origins("round", "shipped", "round")) == 2


def test_what_is_kept_no_more_is_not_gone_back_to():
    assert before({7: "round"}) is None
    assert before({7: "version 2", 8: "version 6"}) is None


@given(STEPS)
@settings(max_examples=60)
def test_no_rollback_returns_to_a_model_that_was_rolled_back_from_unless_it_is_asked_for(steps):
    with tempfile.TemporaryDirectory() as folder:
        shipped = Path(folder, "shipped")
        shipped.write_bytes(b"shipped")
        registry = Registry(Path(folder, "models"), shipped)
        registry.begin()
        given_up: set[bytes] = set()
        for number, step in enumerate(steps):
            latest = registry.latest()
            serving, kept = registry.weights(latest.version), {record.version for record in registry.records()}
            if step is None:
                registry.append(replace(latest, version=latest.version + 1, origin="round"), b"model %d" % number)
                continue
            try:
                target = registry.version_before() if step == "back" else step
            except ValueError:
                continue
            if target not in kept:
                assert step != "back"
                continue
            chosen = registry.weights(registry.rollback(target).version)
            if step == "back":
                assert chosen != serving and chosen not in given_up
            given_up = (given_up | {serving}) - {chosen}


def test_going_back_leaves_what_there_is_to_go_back_to(tmp_path):
    (tmp_path / "shipped").write_bytes(b"shipped")
    registry = Registry(tmp_path / "models", tmp_path / "shipped")
    registry.begin()
    for number in range(1, 5):
        latest = registry.latest()
        registry.append(replace(latest, version=latest.version + 1, origin="round"), b"%d" % number)

    seen = [registry.weights(registry.rollback(registry.version_before()).version) for _ in range(4)]

    assert seen == [b"3", b"2", b"1", b"shipped"]
    assert len(registry.records()) == 9
