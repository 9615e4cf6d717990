"""Repeats a run of Graft in Keras: the same images, first weights, phases and optimizers."""

from dataclasses import dataclass, field

import numpy as np

from benchmark.keras_run.graft_run import Call, Result, Unusable
from benchmark.keras_run.network import Network, keras
from benchmark.keras_run.images import scratch_array


@dataclass
class KerasRun:
    """Keras's results: the losses of each phase's steps, and each phase's result."""

    steps: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)


def make_loss(run):
    """Keras's loss of logits for a recipe's."""
    default = "binary_cross_entropy" if run.is_binary else "softmax_cross_entropy"
    call = Call.parse(run.recipe.get("loss") or default)
    call.require_no_more()
    if call.name == "binary_cross_entropy" and run.is_binary:
        return keras.losses.BinaryCrossentropy(from_logits=True)
    if call.name == "softmax_cross_entropy" and not run.is_binary:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    raise Unusable(f"the loss '{call.name}' is not known here for {run.score_count} scores")


def make_accuracy(run):
    if run.is_binary:
        return keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")
    return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def make_schedule(text, rate, steps_per_epoch, step_count):
    """The learning rate of each step, as Keras's schedules give it."""
    call = Call.parse(text)
    schedules = keras.optimizers.schedules
    match call.name:
        case "constant":
            schedule = rate
        case "step":
            epochs, decay = call.take("epochs", 10), call.take("decay", 0.1)
            schedule = schedules.ExponentialDecay(
                rate, epochs * steps_per_epoch, decay, staircase=True
            )
        case "exponential":
            epochs, decay = call.take("epochs", 1), call.take("decay", 0.96)
            schedule = schedules.ExponentialDecay(rate, epochs * steps_per_epoch, decay)
        case "cosine":
            rising = int(call.take("warmup", 0) * steps_per_epoch + 0.5)
            start, end = call.take("start", 0), call.take("end", 0)
            warm_up = {"warmup_target": rate, "warmup_steps": rising} if rising else {}
            schedule = schedules.CosineDecay(
                rate * start if rising else rate, max(1, step_count - rising), end, **warm_up
            )
        case name:
            raise Unusable(f"the schedule '{name}' is not known here")
    call.require_no_more()
    return schedule


def make_optimizer(text, schedule):
    call = Call.parse(text)
    take = call.take
    decay = take("weight_decay", 0.004 if call.name == "adamw" else 0) or None
    common = {"learning_rate": schedule, "weight_decay": decay}
    match call.name:
        case "sgd":
            optimizer = keras.optimizers.SGD(
                momentum=take("momentum", 0.0), nesterov=call.take_word("nesterov"), **common
            )
        case "adagrad":
            optimizer = keras.optimizers.Adagrad(
                initial_accumulator_value=take("initial_accumulator", 0.1),
                epsilon=take("epsilon", 1e-7),
                **common,
            )
        case "rmsprop":
            optimizer = keras.optimizers.RMSprop(
                rho=take("rho", 0.9),
                momentum=take("momentum", 0.0),
                epsilon=take("epsilon", 1e-7),
                centered=call.take_word("centered"),
                **common,
            )
        case "adam" | "adamw":
            make = keras.optimizers.Adam if call.name == "adam" else keras.optimizers.AdamW
            optimizer = make(
                beta_1=take("beta1", 0.9),
                beta_2=take("beta2", 0.999),
                epsilon=take("epsilon", 1e-7),
                **common,
            )
        case name:
            raise Unusable(f"the optimizer '{name}' is not known here")
    call.require_no_more()
    return optimizer


class Features:
    """What the rest of a network gets: prepared images, or what the frozen part makes of them,
    which is computed once."""

    def __init__(self, images, frozen, batch_size):
        self.images = images
        self.values = None
        if frozen is None:
            return
        count = len(images.samples)
        self.values = scratch_array((count, *frozen.output.shape[1:]), keras.config.floatx())
        for start in range(0, count, batch_size):
            rows = np.arange(start, min(start + batch_size, count))
            # Inference form: nothing in it is drawn or counted.
            inputs = padded(images.inputs(rows), batch_size)
            self.values[rows] = frozen.predict_on_batch(inputs)[: len(rows)]

    def of(self, rows):
        return self.images.inputs(rows) if self.values is None else np.array(self.values[rows])


def padded(batch, size):
    """The batch followed by zeros, so that all batches have one shape."""
    missing = size - len(batch)
    return np.pad(batch, [(0, missing)] + [(0, 0)] * (batch.ndim - 1)) if missing else batch


def repeat(run, images, weights, report=lambda text: None):
    """Trains as the run did.

    images: PreparedImages with all of the run
    report: is told what was done
    """
    keras.utils.set_random_seed(run.seed % 2**32)
    network = Network(run, weights, images.preparation.size)
    parts = {
        name: (np.array([images.numbers[path] for path in paths], np.int64), np.array(labels))
        for name, (paths, labels) in run.parts.items()
    }
    result = KerasRun()
    for number, phase in enumerate(run.phases, 1):
        network.select(phase.unfreeze, phase.freeze)
        frozen, rest = network.halves()
        features = Features(images, frozen, run.batch_size)
        step_count = -(-len(parts["training"][0]) // run.batch_size)
        schedule = make_schedule(
            phase.schedule, phase.learning_rate, step_count, step_count * phase.epochs
        )
        rest.compile(
            optimizer=make_optimizer(phase.optimizer, schedule),
            loss=make_loss(run),
            metrics=[make_accuracy(run)],
            jit_compile=False,
        )
        losses = result.steps[number] = []
        for epoch in range(1, phase.epochs + 1):
            losses += train_epoch(run, rest, features, *parts["training"], (number, epoch))
            mean = np.mean(losses[-step_count:])
            report(f"phase {number}, epoch {epoch} of {phase.epochs}: mean of losses {mean:.4f}")
        if len(parts["test"][0]):
            result.results[number] = evaluate(run, rest, features, *parts["test"])
    return result


def train_epoch(run, model, features, rows, labels, position):
    """The loss of each step; its penalties are in it."""
    order = np.arange(len(rows))
    if run.shuffles:
        order = np.random.default_rng((run.seed, *position)).permutation(order)
    losses = []
    for start in range(0, len(order), run.batch_size):
        batch = order[start : start + run.batch_size]
        # Some versions of Keras give the mean since metrics were reset, others that of the batch.
        model.reset_metrics()
        logs = model.train_on_batch(
            features.of(rows[batch]), targets(run, labels[batch]), return_dict=True
        )
        losses.append(float(logs["loss"]))
    return losses


def evaluate(run, model, features, rows, labels):
    """Means over all images; the loss is without penalties, as Graft's is."""
    loss = accuracy = 0
    for start in range(0, len(rows), run.batch_size):
        batch = slice(start, start + run.batch_size)
        model.reset_metrics()
        logs = model.test_on_batch(
            features.of(rows[batch]), targets(run, labels[batch]), return_dict=True
        )
        share = len(labels[batch]) / len(labels)
        loss += float(logs["loss"]) * share
        accuracy += float(logs["accuracy"]) * share
    return Result(loss - float(sum(model.losses)), accuracy)


def targets(run, labels):
    return labels[:, None].astype(keras.config.floatx()) if run.is_binary else labels
