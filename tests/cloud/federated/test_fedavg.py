"""The average of the edges' changes equals Flower's, and is bounded for any input."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cloud.federated.fedavg import Contribution, average, change, check, flatten, merge, read, shares, unflatten, write

BASE = {"a": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), "b": np.full(2, 0.5, np.float32)}
SIZE = 8


def trained(seed: int, size: float = 0.01) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: array + rng.normal(0, size, array.shape).astype(np.float32) for name, array in BASE.items()}


def contribution(weights: dict[str, np.ndarray], num_examples: int = 100, staleness: int = 0) -> Contribution:
    return Contribution(change(weights, BASE), num_examples, staleness)


def reference(results: list[tuple[list[np.ndarray], int]]) -> list[np.ndarray]:
    """The average of McMahan et al. 2017, the sum of n_k / n times w_k, spelled out."""
    total = sum(count for _, count in results)
    return [sum(layers[i] * (count / total) for layers, count in results) for i in range(len(results[0][0]))]


def flower(results: list[tuple[list[np.ndarray], int]]) -> list[np.ndarray]:
    with warnings.catch_warnings():  # its own dependencies' deprecations
        warnings.simplefilter("ignore")
        aggregate = pytest.importorskip("flwr.server.strategy.aggregate").aggregate
    return aggregate(results)


@pytest.mark.parametrize("federated_average", [reference, flower])
def test_it_is_federated_averaging(federated_average):
    updates, counts = [trained(seed) for seed in range(4)], [100, 150, 80, 120]

    ours, _ = merge(BASE, [contribution(*pair) for pair in zip(updates, counts, strict=True)], [])

    theirs = federated_average([([w["a"], w["b"]], n) for w, n in zip(updates, counts, strict=True)])
    for name, array in zip("ab", theirs, strict=True):
        assert ours[name].dtype == np.float32
        assert np.abs(ours[name] - array).max() < 1e-6


def test_one_edge_alone_is_taken_as_it_is():
    weights = trained(0)

    merged, _ = merge(BASE, [contribution(weights)], [])

    assert all(np.allclose(merged[name], weights[name], atol=1e-7) for name in BASE)


VALUES = st.floats(-1e30, 1e30)
CHANGES = st.integers(1, 8).flatmap(
    lambda edges: st.tuples(
        arrays.arrays(np.float64, (edges, SIZE), elements=VALUES),
        arrays.arrays(np.float64, edges, elements=st.floats(1e-3, 1e3)),
        st.permutations(range(edges)),
    )
)


@given(CHANGES)
def test_the_order_of_edges_changes_no_bit(case):
    changes, counts, order = case

    assert average(changes[order], counts[order]).tobytes() == average(changes, counts).tobytes()


@given(CHANGES)
def test_every_weight_stays_between_its_smallest_and_largest_change(case):
    changes, counts, _ = case

    mean = average(changes, counts)

    assert (changes.min(0) <= mean).all() and (mean <= changes.max(0)).all()


@given(arrays.arrays(np.float64, SIZE, elements=VALUES), arrays.arrays(np.float64, 6, elements=st.floats(1e-3, 1e3)))
def test_edges_that_agree_are_their_average(vector, counts):
    assert (average(np.tile(vector, (6, 1)), counts) == vector).all()


@given(
    st.lists(arrays.arrays(np.float32, SIZE, elements=st.floats(width=32)), min_size=1, max_size=8),
    st.lists(st.integers(1, 10**12), min_size=8, max_size=8),
    st.lists(st.floats(1e-6, 1e3), max_size=5),
)
def test_whatever_comes_in_the_global_is_finite_and_near_the_one_before(vectors, counts, norms):
    good = []
    for vector, count in zip(vectors, counts, strict=False):
        weights = {"a": vector[:6].reshape(2, 3), "b": vector[6:]}
        try:
            check(weights, BASE)
        except ValueError:
            assert not np.isfinite(vector).all()
            continue
        good.append(contribution(weights, count, staleness=count % 4))
    if not good:
        return

    merged, counted = merge(BASE, good, norms)

    check(merged, BASE)
    assert np.linalg.norm(change(merged, BASE)) <= np.linalg.norm(flatten(BASE)) * 1.001 * len(good) ** 0.5
    assert max(counted) <= np.linalg.norm(flatten(BASE)) * 1.001


def test_a_long_change_is_shortened_to_three_times_the_usual():
    _, counted = merge(BASE, [contribution(trained(0)), contribution(trained(1, size=5))], norms=[0.01, 0.02, 0.03])

    assert counted[1] == pytest.approx(3 * 0.02)
    assert counted[0] == pytest.approx(np.linalg.norm(change(trained(0), BASE)))


def test_one_of_four_that_turns_its_change_around_a_hundredfold_only_slows_the_round():
    honest = [trained(seed) for seed in range(3)]
    turned = {name: BASE[name] - 100 * (array - BASE[name]) for name, array in trained(0).items()}

    merged, counted = merge(BASE, [contribution(weights) for weights in (*honest, turned)], [])

    usual = sorted(counted)[1]
    assert np.linalg.norm(change(merged, BASE)) <= 1.5 * usual


def test_from_five_edges_on_an_extreme_one_has_no_say():
    changes = np.array([[1.0], [1.1], [0.9], [1.0], [-50.0]])

    assert 0.9 <= average(changes, np.ones(5))[0] <= 1.1
    assert average(changes[1:], np.ones(4))[0] < 0


def test_a_boast_of_images_counts_as_twice_the_usual():
    assert shares([contribution(BASE, n) for n in (100, 100, 10**9)]).tolist() == [100, 100, 200]


def test_a_stale_change_counts_less():
    fresh, stale = shares([contribution(BASE), contribution(BASE, staleness=3)])

    assert stale == fresh / 2


def test_edges_that_learned_nothing_change_nothing():
    merged, counted = merge(BASE, [contribution(BASE), contribution(BASE)], [])

    assert counted == [0, 0]
    assert all((merged[name] == BASE[name]).all() for name in BASE)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"a": BASE["a"]}, "lack 'b'"),
        ({**BASE, "c": BASE["b"]}, "unknown 'c'"),
        ({**BASE, "b": BASE["b"][:1]}, "not float32"),
        ({**BASE, "b": BASE["b"].astype(np.float64)}, "float64"),
        ({**BASE, "b": np.float32([np.nan, 0])}, "b is not finite"),
        ({**BASE, "b": np.float32([0, -np.inf])}, "b is not finite"),
    ],
)
def test_weights_of_another_model_are_refused(broken, sentence):
    with pytest.raises(ValueError, match=sentence):
        check(broken, BASE)


def test_flattening_loses_nothing():
    assert all((unflatten(flatten(BASE), BASE)[name] == array).all() for name, array in BASE.items())


def test_weights_survive_a_file_and_its_bytes_do_not_depend_on_their_order():
    file = write(BASE)

    assert file == write(dict(reversed(BASE.items())))
    assert all((read(file)[name] == array).all() for name, array in BASE.items())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_file_are_one_error(data):
    for junk in (data, len(data).to_bytes(8, "little") + data):
        with pytest.raises(ValueError, match="no safetensors file"):
            read(junk)
