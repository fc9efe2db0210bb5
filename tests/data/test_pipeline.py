import numpy as np
import pytest
import tensorflow as tf

from sslzoo.augment import views
from sslzoo.data import sources
from sslzoo.data.pipeline import Stream, shuffled, training_batches
from sslzoo.errors import BadInput


def take(count, *args, **settings):
    return list(training_batches(*args, **settings).take(count).as_numpy_iterator())


def show_all(item, seed):
    return {**item, "seed": seed}


@pytest.fixture
def stream():
    """Shows all that it sees of an item."""
    return Stream(sources.from_spec("synthetic:5"), show_all, batch_size=4)


@pytest.fixture(params=["decoded one by one", "in memory"])
def photos(request):
    source = sources.from_spec("synthetic:10")
    return sources.cached(source) if request.param == "in memory" else source


def same(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_a_run_goes_on_where_it_was(photos):
    stream = Stream(photos, views.Views(16), 4)
    whole, rest = take(5, stream), take(2, stream, step=3)
    for expected, batch in zip(whole[3:], rest):
        same(expected, batch)
    np.testing.assert_array_equal(rest[0]["n"], [12, 13, 14, 15])


@pytest.mark.parametrize(
    "augment", ["host", pytest.param("device", marks=pytest.mark.slow)]
)
def test_the_global_batch_does_not_depend_on_who_shares_it(photos, augment):
    """Two workers of two replicas each make, together, the batches of one."""
    stream = Stream(photos, views.Views(16), 8, augment)
    alone = take(3, stream)
    shares = [
        take(6, stream, replicas=4, first_replica=first, local_replicas=2)
        for first in (0, 2)
    ]
    for step, expected in enumerate(alone):
        parts = [s for worker in shares for s in worker[2 * step : 2 * step + 2]]
        together = tf.nest.map_structure(lambda *p: np.concatenate(p), *parts)
        tf.nest.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), together, expected
        )


def test_host_and_device_end_with_the_same_pixels(photos):
    example = views.Views(16)
    host = take(1, Stream(photos, example, 4))[0]
    device = take(1, Stream(photos, example, 4, "device"))[0]["unfinished"]
    seed = device.pop("seed")
    np.testing.assert_array_equal(seed[:, 1], host["n"])
    finished = example.finish(device, seed)
    for name in ("view1", "view2"):
        np.testing.assert_allclose(finished[name], host[name], atol=1e-5)


def test_a_decoded_window_gives_the_pixels_of_the_whole_image():
    """Reading no more than the crops need changes none of them."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (50 + 3 * i, 40, 3), "uint8") for i in range(4)]
    source = sources.Arrays(pictures)
    example = views.Views(16)
    batch = take(1, Stream(source, example, 4))[0]
    for row, n in enumerate(batch["n"]):
        index = int(shuffled(tf.constant(n), 4, 0))
        seed = tf.constant([0, n], tf.int64)
        whole = example({"image": pictures[index]}, seed)
        np.testing.assert_allclose(batch["view1"][row], whole["view1"], atol=1e-5)


def test_each_epoch_shows_every_item_once_in_an_order_of_its_own():
    n = tf.range(3000, dtype=tf.int64)
    order = shuffled(n, 1000, seed=0).numpy().reshape(3, 1000)
    for epoch in order:
        assert sorted(epoch) == list(range(1000))
        # Of a random order one item stays in place, and neighbours are strangers;
        # with the usual four rounds of the cipher they kept a distance of their own.
        assert (epoch == np.arange(1000)).sum() < 8
        steps = np.diff(epoch)
        assert np.unique(steps, return_counts=True)[1].max() < 12
    assert (order[0] == order[1]).sum() < 8
    other = shuffled(n[:1000], 1000, seed=1).numpy()
    assert (other == order[0]).sum() < 8


def test_small_sets_are_shuffled_too():
    first = [int(shuffled(tf.constant(8 * e, tf.int64), 8, 0)) for e in range(400)]
    counts = np.bincount(first, minlength=8)
    assert counts.min() > 25  # 50 each; 3.8 standard deviations


def test_a_label_reaches_only_a_method_that_uses_it(stream):
    assert "label" not in take(1, stream)[0]
    assert "label" in take(1, stream, uses=("label",))[0]


def test_labels_stay_with_their_images(photos):
    stream = Stream(photos, views.Views(16), 5)
    for batch in take(2, stream, uses=("label",)):
        index = shuffled(tf.constant(batch["n"]), 10, 0).numpy()
        labels = [photos.read(int(i))["label"] for i in index]
        np.testing.assert_array_equal(batch["label"], labels)


def test_each_task_has_its_own_stream(stream):
    other = Stream(
        sources.from_spec("synthetic:3"), lambda item, seed: {"seen": item["image"]}, 2
    )
    batch = take(1, {"puzzle": stream, "colour": other})[0]
    assert len(batch["puzzle"]["image"]) == 4 and len(batch["colour"]["seen"]) == 2


def test_no_thread_tunes_that_would_have_to_be_waited_for(stream):
    """It sleeps for up to as long as all took; who ends a run would wait for it."""
    for streams in (stream, {"one": stream, "other": stream}):
        batches = training_batches(streams)
        assert batches.options().autotune.enabled is False


def test_what_cannot_be_is_said():
    source = sources.from_spec("synthetic:5")
    with pytest.raises(BadInput, match="batch_size=6, but .* has 5 images"):
        Stream(source, show_all, 6)
    with pytest.raises(BadInput, match="'host' or 'device'"):
        Stream(source, show_all, 2, augment="gpu")
    with pytest.raises(BadInput, match="cannot be shared among 2"):
        training_batches(Stream(source, show_all, 3), replicas=2)
    bare = sources.Arrays(np.zeros((4, 8, 8, 3), "uint8"))
    with pytest.raises(BadInput, match="needs 'label' of every image"):
        training_batches(Stream(bare, show_all, 2), uses=("label",))
