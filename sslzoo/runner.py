"""Runs a recipe from its first step to its last, through kills and Ctrl-C."""

import contextlib
import dataclasses
import re
import signal
import threading
import time

import keras
import numpy as np
import tensorflow as tf

from sslzoo import checkpoints, distribute, health
from sslzoo import recipe as recipe_files
from sslzoo.data import pipeline
from sslzoo.data.quarantine import Quarantine
from sslzoo.errors import BadInput, Diverged, Interrupted, MissingFile, RunStopped
from sslzoo.evaluation.probes import Probes

HEALTH_IMAGES = 256  # Of the examples on which health is measured.
HEALTH_SEED = 10_007  # Added to the run's seed, so that they are none of the run's.


def pretrain(
    recipe,
    workdir=None,
    strategy=None,
    listener=None,
    checkpoint_seconds=300,
    on_collapse="warn",
    bad_images=0.01,
    probe_at=(),
):
    """Trains what `recipe` describes and returns the method, its backbone trained.

    Args:
        workdir: an opened `Workdir`, from whose last checkpoint the run goes on and
            which keeps what it does; None keeps nothing.
        listener: told of the run as it goes, see `Listener`.
        checkpoint_seconds: between checkpoints; there is one after each epoch too.
        on_collapse: "warn", or "stop" to end a run whose outputs have collapsed.
        bad_images: the part of the images that may be unreadable before it stops.
        probe_at: epochs, parts of one too, after which its probes are tried beside
            those of `recipe.probe_every`.
    """
    tried = trials(recipe, probe_at)
    strategy = strategy or tf.distribute.get_strategy()
    writes = workdir and distribute.is_chief(strategy)
    held = workdir.held() if writes else contextlib.nullcontext()
    with held, _policy(recipe.precision):
        with strategy.scope():
            method = untrained(recipe)
        guarded, quarantines = _quarantined(recipe, workdir, bad_images)
        path = workdir.quarantine if workdir else None
        probes = {name: p.seen(method.sees) for name, p in recipe.probes.items()}
        probes = Probes(probes, recipe.probe_every, path, bad_images)
        run = _Run(
            guarded,
            method,
            probes,
            [*quarantines, *probes.sources],
            strategy,
            workdir,
            listener or Listener(),
            checkpoint_seconds,
            on_collapse,
            tried,
        )
        with _said_by(quarantines), run.interruptible():
            run.to_the_end()
    return method


def trials(recipe, epochs):
    """After which batches the probes of a run are tried, beside their usual turns."""
    length = recipe.steps / recipe.steps_per_epoch
    if epochs and not recipe.probes:
        raise BadInput(
            "This run has no probes to be tried: give it labelled images, such as "
            "labelled=folder:DIR unseen=folder:DIR of the recipes that take them."
        )
    for epoch in epochs:
        if not 0 < epoch <= length:
            raise BadInput(
                f"This run has no epoch {epoch:g}: it ends after {length:g}, and what "
                "is untrained is tried anyway. Give parts of it, such as 0.2 or 1.5."
            )
    steps = [max(1, round(epoch * recipe.steps_per_epoch)) for epoch in epochs]
    return {recipe.accumulate * step for step in steps}


def trained(workdir):
    """The method of a run as its last checkpoint has it, and the run's plan.

    Of a run that has ended no other than that of its end will do: its result, its page
    and its card tell of these weights.
    """
    run = workdir.run()
    with recipe_files.beside(run["recipe"]):
        plan = recipe_files.load(workdir.path / "recipe.py", **run["knobs"])
    method = untrained(plan)
    found = checkpoints.latest(workdir.checkpoints)
    if found is None:
        raise MissingFile(
            f"{workdir.path} has no checkpoint yet. To train it: {workdir.command()}"
        )
    step, arrays, _ = found
    if workdir.ended and step != plan.steps * plan.accumulate:
        raise BadInput(
            f"{workdir.path} has ended at step {plan.steps}, but its last sound "
            f"checkpoint is of step {step // plan.accumulate}: what comes after it is "
            f"damaged or gone. To train the rest again: {workdir.command()}"
        )
    put(state(method), arrays, workdir)
    return method, plan


def untrained(plan):
    """The method of a run as it is before the first step."""
    with _policy(plan.precision):
        keras.utils.set_random_seed(plan.seed)
        method = plan.method()
        method.compile(plan.optimizer(), plan.accumulate, jit_compile=plan.jit)
    return method


def state(method):
    """Every variable of a run, by a name that keeps their order."""
    variables = [
        *method.variables,
        *method.metrics_variables,
        *method.optimizer.variables,
    ]
    once = {id(variable): variable for variable in variables}.values()
    return {f"{i:05d}.{v.path.replace('/', '.')}": v for i, v in enumerate(once)}


def put(state, arrays, workdir):
    """Sets every variable of `state` from the arrays of a checkpoint."""
    arrays = {_unnumbered(name): array for name, array in arrays.items()}
    state = {_unnumbered(name): variable for name, variable in state.items()}
    shapes = {name: tuple(variable.shape) for name, variable in state.items()}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        raise RunStopped(
            f"The checkpoint of {workdir.path} has other weights than this version of "
            "sslzoo builds. Go on with the versions named in its run.json."
        )
    for name, variable in state.items():
        variable.assign(arrays[name])


def _unnumbered(name):
    """Keras calls the second optimizer of a process sgd_1; its place tells enough."""
    return re.sub(r"_\d+(?=\.|$)", "", name)


class Listener:
    """Told of a run as it goes; says nothing. The command's draws a bar."""

    def began(self, recipe, batch, batches):
        """It stands at `batch` of `batches`."""

    def stepped(self, batch, logs):
        """A batch is done; `logs` are tensors, and reading them waits for it."""

    def ended_epoch(self, row, timing):
        """A line of the history is there."""

    def said(self, words):
        """Something a person should know."""


class _Run(keras.callbacks.Callback):
    def __init__(
        self,
        recipe,
        method,
        probes,
        quarantines,
        strategy,
        workdir,
        listener,
        checkpoint_seconds,
        collapse,
        trials=(),
    ):
        super().__init__()
        self.recipe, self.method, self.strategy = recipe, method, strategy
        self.probes, self.quarantines = probes, quarantines
        self.chief = distribute.is_chief(strategy)
        self.workdir = workdir
        self.listener, self.collapse = listener, collapse
        self.checkpoint_seconds, self.trials = checkpoint_seconds, trials
        self.batch, self.history, self.asked_to_stop = 0, [], None
        self.batches = recipe.steps * recipe.accumulate
        self.per_epoch = recipe.steps_per_epoch * recipe.accumulate
        self.meters = None  # Of the epoch in which the run was left.

    def to_the_end(self):
        if self.workdir:
            self.restore()
        self.listener.began(self.recipe, self.batch, self.batches)
        if not self.history:
            self.note_epoch({})
        while self.batch < self.batches and not self.asked_to_stop:
            rest = self.per_epoch - self.batch % self.per_epoch
            whole = (self.batches - self.batch) // self.per_epoch
            if rest < self.per_epoch or not whole:
                length, epochs = min(rest, self.batches - self.batch), 1
            else:
                length, epochs = self.per_epoch, whole
            self.method.fit(
                self.dataset(),
                steps_per_epoch=length,
                epochs=epochs,
                callbacks=[self],
                shuffle=False,  # The pipeline has shuffled.
                verbose=0,
            )
        if self.asked_to_stop:
            raise Interrupted(
                f"Stopped at {self.asked_to_stop}, after step "
                f"{self.batch // self.recipe.accumulate} of {self.recipe.steps}. "
                + (f"To go on: {self.workdir.same_again()}" if self.workdir else "")
            )
        if self.workdir and self.chief:
            self.workdir.write_result(self.result())

    def dataset(self):
        """The batches from here on, shared among the replicas."""
        settings = dict(
            streams=self.recipe.streams,
            uses=self.method.uses,
            seed=self.recipe.seed,
            step=self.batch,
        )
        replicas = self.strategy.num_replicas_in_sync
        if replicas == 1:
            return pipeline.training_batches(**settings)

        def shares(context):
            local = replicas // context.num_input_pipelines
            return pipeline.training_batches(
                **settings,
                replicas=replicas,
                first_replica=context.input_pipeline_id * local,
                local_replicas=local,
            )

        return self.strategy.distribute_datasets_from_function(shares)

    # As Keras calls them.

    def on_epoch_begin(self, epoch, logs=None):
        self.clock, self.images = time.perf_counter(), self.batch
        if self.meters is not None:  # fit has just reset them.
            for metric, values in zip(self.method.metrics, self.meters):
                for variable, value in zip(metric.variables, values):
                    variable.assign(value)
            self.meters = None

    def on_train_batch_end(self, _, logs=None):
        self.batch += 1
        self.listener.stepped(self.batch, logs)
        ends_epoch = self.batch % self.per_epoch == 0 or self.batch == self.batches
        if self.asked_to_stop:
            self.method.stop_training = True
        if self.batch in self.trials and not ends_epoch:
            self.note_trial(logs)
        elif not ends_epoch and (
            self.asked_to_stop
            or time.perf_counter() - self.saved_at > self.checkpoint_seconds
        ):
            self.save()

    def on_epoch_end(self, _, logs=None):
        if self.batch % self.per_epoch and self.batch < self.batches:
            return  # Left in the middle.
        self.note_epoch(_numbers(logs))

    # The run's own.

    def note_trial(self, logs):
        """Tries the probes within an epoch: a line of history, the state kept with it.

        Its meters are the means over the epoch so far.
        """
        began = time.perf_counter()
        if self.chief:
            epoch = self.batch / self.per_epoch
            row = {"epoch": epoch, "step": self.batch // self.recipe.accumulate}
            row.update(_numbers(logs))
            self.refuse_nan(row)
            row["probes"] = self.probes.scores(self.method)
            self.history.append(row)
            if self.workdir:
                self.workdir.write_history(self.history)
            self.save()
            self.listener.ended_epoch(row, {})
        self.clock += time.perf_counter() - began  # It is none of the training's.

    def note_epoch(self, meters):
        """Measures, writes a line of history, keeps the state."""
        self.saved_at = time.perf_counter()
        if not self.chief:
            return
        epoch = -(-self.batch // self.per_epoch)
        last = self.batch == self.batches
        row = {"epoch": epoch, "step": self.batch // self.recipe.accumulate, **meters}
        timing = {"epoch": epoch}
        if self.batch:
            seconds = time.perf_counter() - self.clock
            images = (self.batch - self.images) * self.batch_size
            timing.update(seconds=seconds, images_per_second=images / seconds)
        measured = self.measure()
        if measured:
            row["health"] = measured
        self.refuse_nan(row)
        if self.batch in {0, *self.trials} or self.probes.due(epoch, last):
            row["probes"] = self.probes.scores(self.method)
        if bad := self.bad_images():
            timing["bad_images"] = bad
        self.history.append(row)
        if self.workdir:
            self.workdir.write_history(self.history)
            self.workdir.add_timing(timing)
            self.save()
        self.listener.ended_epoch(row, timing)
        self.judge()

    def bad_images(self):
        """How many could not be read so far; one that two sets have counts once."""
        return len({(q.name, index) for q in self.quarantines for index in q.known()})

    @property
    def batch_size(self):
        return self.recipe.first.batch_size

    def measure(self):
        """Health on examples that are the same at every epoch."""
        if type(self.method).look.__qualname__ == "Method.look":
            return None
        if not hasattr(self, "examples"):
            small = self.recipe.with_streams(_small)
            batches = pipeline.training_batches(
                small.streams, self.method.uses, self.recipe.seed + HEALTH_SEED
            )
            self.examples = next(iter(batches))
            self.look = tf.function(self.method.look, autograph=False)
        outputs = {k: np.asarray(v) for k, v in self.look(self.examples).items()}
        return health.measure(**outputs)

    def refuse_nan(self, row):
        """Stops the run before a state that is not of numbers is probed or kept.

        The weights are looked at too: compiled kernels that take the larger of a
        number and zero may turn what is not a number into zero.
        """
        lost = [name for name, v in row.items() if isinstance(v, float) and v != v]
        if not row.get("health", {}).get("finite", True):
            lost.append("a projection")
        weights = ((w.path, self.read(w)) for w in self.method.weights)
        lost += [p for p, w in weights if w.dtype.kind == "f" and not _finite(w)]
        if not lost:
            return
        kept = f" What it did before is kept: {self.workdir.path}." * bool(self.workdir)
        raise Diverged(
            f"{lost[0]} is not a number at step {row['step']}.{kept} Begin anew with "
            "half the learning rate or a longer warm-up; if it runs in half precision, "
            "try precision=float32."
        )

    def judge(self):
        diagnosis = health.diagnose(
            [r["health"] for r in self.history if "health" in r]
        )
        if diagnosis:
            self.listener.said(diagnosis.words)
            if self.collapse == "stop":
                raise RunStopped(
                    f"{diagnosis.words} To go on all the same: --on-collapse warn."
                )

    def save(self):
        self.saved_at = time.perf_counter()
        if not (self.workdir and self.chief):
            return
        if self.batch % self.per_epoch:
            self.refuse_nan({"step": self.batch // self.recipe.accumulate})
        arrays = {name: self.read(v) for name, v in state(self.method).items()}
        notes = {"history": self.history}
        checkpoints.save(self.workdir.checkpoints, self.batch, arrays, notes)

    def read(self, variable):
        if distribute.workers() == 1:
            return np.asarray(variable)
        # A meter would be added up over the workers, who are not asked to now.
        return np.asarray(self.strategy.experimental_local_results(variable.value)[0])

    def restore(self):
        found = checkpoints.latest(self.workdir.checkpoints, self.listener.said)
        self.saved_at = time.perf_counter()
        if found is None:
            return
        self.batch, arrays, notes = found
        put(state(self.method), arrays, self.workdir)
        self.history = notes["history"]
        if self.batch % self.per_epoch:
            self.meters = [
                [np.asarray(v) for v in m.variables] for m in self.method.metrics
            ]
        if self.chief:
            self.workdir.write_history(self.history)
        self.listener.said(
            f"Going on from step {self.batch // self.recipe.accumulate}."
        )
        self.judge()

    def result(self):
        first, last = self.history[0], self.history[-1]
        return {
            "steps": self.recipe.steps,
            "bad_images": self.bad_images(),
            "loss": last.get("loss"),
            "health": last.get("health"),
            "probes": {
                name: {"random": first["probes"][name], "trained": scores}
                for name, scores in last.get("probes", {}).items()
            },
        }

    @contextlib.contextmanager
    def interruptible(self):
        """Ctrl-C, and a cluster's SIGTERM, end the run after the step under way."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number, frame):
            if self.asked_to_stop:
                raise KeyboardInterrupt  # Asked twice: at once.
            self.asked_to_stop = signal.Signals(number).name

        before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _numbers(logs):
    return {name: float(np.ravel(value)[0]) for name, value in logs.items()}


def _finite(array):
    return bool(np.isfinite(array).all())


@contextlib.contextmanager
def _policy(precision):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _small(stream):
    """It with no more images at a time than its health is measured on."""
    return dataclasses.replace(stream, batch_size=min(stream.batch_size, HEALTH_IMAGES))


def _quarantined(recipe, workdir, bad_images):
    """The recipe, reading around images that cannot be read; and who does so."""
    path = workdir.quarantine if workdir else None

    def guard(stream):
        source = Quarantine(stream.source, path, bad_images)
        return dataclasses.replace(stream, source=source)

    guarded = recipe.with_streams(guard)
    return guarded, [stream.source for stream in guarded.by_task.values()]


@contextlib.contextmanager
def _said_by(quarantines):
    """What a quarantine raised inside the pipeline comes out in its own words."""
    try:
        yield
    except tf.errors.OpError as error:
        for quarantine in quarantines:
            if quarantine.stopped:
                raise quarantine.stopped from error
        raise
