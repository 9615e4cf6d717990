"""Writes the results of Keras and PyTorch for the tests of GraftTraining.

    KERAS_BACKEND=torch python Tests/Fixtures/optimizer_trajectories.py

Needs keras and torch. Trajectories are computed in double, so that they follow the equations and
not the rounding of one backend; learning rates are floats, as Graft's are. Keras's torch backend is
the one that keeps constants such as beta_2 in double. Keras rounds losses to float. Everything is
seeded: the files are the same for every run.

    optimizers.npz  parameters [7], gradients [20, 7], learning rates [20]; NAME [20, 7] for each
                    optimizer: the parameters after each step. The seven elements are two
                    parameters, [2, 2] and [3].
    losses.npz      scores and targets; NAME.loss [] and NAME.gradient [N, K] for each loss
    schedules.npz   NAME [STEPS] for each schedule: the learning rate of each step
    early_stopping.npz  losses [20, 30], patience [20]; best and stopped [20]: the epoch, from 0,
                    with the least loss, and the one after which training stops
    metrics.npz     scores, labels, and what is measured of them
"""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch

FOLDER = Path(__file__).parents[2] / "Tests" / "GraftTrainingTests" / "Fixtures"
STEPS = 20

keras.config.set_floatx("float64")
torch.set_default_dtype(torch.float64)


def write(name, arrays):
    np.savez(FOLDER / name, **{key: np.asarray(value) for key, value in arrays.items()})


def floats(values):
    """Rounded to float, so that Graft reads exactly Keras's numbers."""
    return np.asarray(values).astype(np.float32).astype(np.float64)


# Optimizers

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(),
    "sgd_momentum": lambda: keras.optimizers.SGD(momentum=0.9),
    "sgd_nesterov": lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True),
    "sgd_decay": lambda: keras.optimizers.SGD(momentum=0.9, weight_decay=0.01),
    "adagrad": lambda: keras.optimizers.Adagrad(),
    "adagrad_settings": lambda: keras.optimizers.Adagrad(
        initial_accumulator_value=0.5, epsilon=0.01, weight_decay=0.01
    ),
    "rmsprop": lambda: keras.optimizers.RMSprop(),
    "rmsprop_momentum": lambda: keras.optimizers.RMSprop(
        rho=0.8, momentum=0.9, epsilon=0.001, weight_decay=0.01
    ),
    "rmsprop_centered": lambda: keras.optimizers.RMSprop(centered=True),
    "rmsprop_both": lambda: keras.optimizers.RMSprop(centered=True, momentum=0.5),
    "adam": lambda: keras.optimizers.Adam(),
    "adam_settings": lambda: keras.optimizers.Adam(beta_1=0.8, beta_2=0.95, epsilon=0.001),
    "adamw": lambda: keras.optimizers.AdamW(),
    "adamw_decay": lambda: keras.optimizers.AdamW(weight_decay=0.1),
    "clip_value": lambda: keras.optimizers.SGD(momentum=0.9, clipvalue=0.5),
    "clip_norm": lambda: keras.optimizers.SGD(momentum=0.9, clipnorm=1.0),
    "clip_global_norm": lambda: keras.optimizers.SGD(momentum=0.9, global_clipnorm=1.5),
    "accumulation": lambda: keras.optimizers.Adam(gradient_accumulation_steps=4),
    "accumulation_clipped": lambda: keras.optimizers.AdamW(
        weight_decay=0.1, global_clipnorm=0.6, gradient_accumulation_steps=3
    ),
}


def optimizers():
    random = np.random.default_rng(1)
    start = floats(random.normal(size=7))
    gradients = floats(
        random.normal(size=(STEPS, 7)) * random.choice([0.01, 1, 3], size=(STEPS, 1))
    )
    # A moment at which an element does not change.
    gradients[3, 2] = 0
    rates = floats(0.05 / (1 + 0.1 * np.arange(STEPS)))
    arrays = {"parameters": start, "gradients": gradients, "learning_rates": rates}

    def split(row):
        return [row[:4].reshape(2, 2), row[4:]]

    for name, make in OPTIMIZERS.items():
        variables = [keras.Variable(part, dtype="float64") for part in split(start)]
        optimizer = make()
        optimizer.build(variables)
        trajectory = []
        for row, rate in zip(gradients, rates):
            optimizer.learning_rate = rate
            optimizer.apply([torch.tensor(part) for part in split(row)], variables)
            trajectory.append(
                np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in variables])
            )
        arrays[name] = trajectory
    write("optimizers.npz", arrays)


# Losses


def losses():
    random = np.random.default_rng(2)
    count, classes = 6, 4
    scores = floats(random.normal(size=(count, classes)) * 2)
    labels = np.array([2, 0, 3, 1, 0, 2])
    one_hot = np.eye(classes)[labels]
    soft = random.random((count, classes))
    soft = floats(soft / soft.sum(axis=1, keepdims=True))
    binary = random.integers(0, 2, size=(count, classes)).astype(np.float64)
    reals = floats(random.normal(size=(count, classes)))
    counts = random.integers(0, 5, size=(count, classes)).astype(np.float64)
    probabilities = floats(random.uniform(0.02, 0.98, size=(count, classes)))
    # Where Keras clips: a target of 1 at 0, and at 1, as floats have no 1 - 1e-7.
    probabilities[0, 0], probabilities[1, 1] = 0, 1
    binary[0, 0] = binary[1, 1] = 1
    signs = binary * 2 - 1
    rates = floats(random.uniform(0.1, 3, size=(count, classes)))
    column, binary_labels = scores[:, :1], (labels % 2).astype(np.float64)[:, None]
    binary_class_weights = floats([0.5, 3])
    class_weights = floats([1, 0.5, 2, 0.25])
    # As Model.fit makes them of class_weight.
    weights = class_weights[labels]
    arrays = {
        "scores": scores, "labels": labels, "one_hot": one_hot, "soft": soft, "binary": binary,
        "signs": signs, "reals": reals, "counts": counts, "probabilities": probabilities,
        "rates": rates, "class_weights": class_weights, "column": column,
        "binary_labels": binary_labels, "binary_class_weights": binary_class_weights,
    }  # fmt: skip
    k = keras.losses
    sparse = k.SparseCategoricalCrossentropy(from_logits=True)
    hot = k.CategoricalCrossentropy(from_logits=True)
    hot_smooth = k.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    cases = {
        "softmax": (sparse, labels, scores, None),
        "softmax_weights": (sparse, labels, scores, weights),
        "softmax_smoothed": (hot_smooth, one_hot, scores, None),
        "softmax_smoothed_weights": (hot_smooth, one_hot, scores, weights),
        "categorical": (hot, one_hot, scores, None),
        "categorical_soft": (hot, soft, scores, None),
        "categorical_smoothed": (hot_smooth, soft, scores, None),
        "categorical_weights": (hot, one_hot, scores, weights),
        "binary": (k.BinaryCrossentropy(from_logits=True), binary, scores, None),
        "binary_weights": (
            k.BinaryCrossentropy(from_logits=True),
            binary_labels,
            column,
            binary_class_weights[labels % 2],
        ),
        "binary_probabilities": (k.BinaryCrossentropy(), binary, probabilities, None),
        "mean_squared_error": (k.MeanSquaredError(), reals, scores, None),
        "mean_absolute_error": (k.MeanAbsoluteError(), reals, scores, None),
        "huber": (k.Huber(), reals, scores, None),
        "huber_delta": (k.Huber(delta=0.5), reals, scores, None),
        "poisson": (k.Poisson(), counts, rates, None),
        "hinge": (k.Hinge(), binary, scores, None),
        "hinge_signs": (k.Hinge(), signs, scores, None),
        "squared_hinge": (k.SquaredHinge(), binary, scores, None),
        # Keras has none: the hinge at 0, as scikit-learn's SGDClassifier(loss="perceptron") has it.
        "perceptron": (lambda t, y, sample_weight: torch.relu(-t * y).mean(), signs, scores, None),
    }
    for name, (loss, targets, predictions, weight) in cases.items():
        y = torch.tensor(predictions, requires_grad=True)
        weight = None if weight is None else torch.tensor(weight)
        value = loss(torch.tensor(targets), y, sample_weight=weight)
        value.backward()
        arrays[f"{name}.loss"] = value.detach().numpy()
        arrays[f"{name}.gradient"] = y.grad.numpy()
    write("losses.npz", arrays)


# Schedules


def plateau(**settings):
    """The learning rates that keras.callbacks.ReduceLROnPlateau sets, one for each epoch."""

    class Model:
        optimizer = keras.optimizers.SGD(learning_rate=0.1)

    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", mode="min", **settings)
    callback.set_model(Model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(PLATEAU_LOSSES):
        rates.append(float(Model.optimizer.learning_rate))
        callback.on_epoch_end(epoch, {"loss": float(loss)})
    return rates


PLATEAU_LOSSES = floats(
    [1, 0.9, 0.95, 0.9, 0.8999, 0.91, 0.85, 0.86, 0.86, 0.86, 0.86, 0.86, 0.5, 0.6, 0.6, 0.6, 0.6,
     0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
)  # fmt: skip


def schedules():
    schedule = keras.optimizers.schedules
    steps = range(40)

    def rates(function):
        return [float(function(step)) for step in steps]

    parameter = torch.zeros(1, requires_grad=True)

    def one_cycle(**settings):
        optimizer = torch.optim.SGD([parameter], lr=1)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, **settings)
        result = []
        for _ in range(settings["total_steps"]):
            result.append(cycle.get_last_lr()[0])
            optimizer.step()
            if len(result) < settings["total_steps"]:
                cycle.step()
        return result

    write(
        "schedules.npz",
        {
            "exponential": rates(schedule.ExponentialDecay(0.1, 7, 0.5)),
            "step": rates(schedule.ExponentialDecay(0.1, 7, 0.5, staircase=True)),
            "cosine": rates(schedule.CosineDecay(0.1, 30)),
            "cosine_alpha": rates(schedule.CosineDecay(0.1, 30, alpha=0.25)),
            "cosine_warmup": rates(
                schedule.CosineDecay(0.01, 25, alpha=0.1, warmup_target=0.2, warmup_steps=6)
            ),
            "one_cycle": one_cycle(max_lr=0.1, total_steps=40),
            "one_cycle_settings": one_cycle(
                max_lr=0.5, total_steps=31, pct_start=0.45, div_factor=10, final_div_factor=100
            ),
            "plateau_losses": PLATEAU_LOSSES,
            "plateau": plateau(factor=0.5, patience=2),
            "plateau_settings": plateau(
                factor=0.1, patience=3, min_delta=0.01, cooldown=2, min_lr=0.0005
            ),
        },
    )


# Early stopping


def early_stopping():
    random = np.random.default_rng(4)
    # Few different values, so that some are equal; falling at first.
    losses = floats(np.round(random.normal(size=(20, 30)) + 4 * np.exp(-np.arange(30) / 5), 1))
    patience = np.arange(20) % 6 + 1

    class Model:
        stop_training = False

        def get_weights(self):
            return []

        def set_weights(self, weights):
            pass

    best, stopped = [], []
    for row, count in zip(losses, patience):
        callback = keras.callbacks.EarlyStopping(
            monitor="val_loss", mode="min", patience=int(count), restore_best_weights=True
        )
        model = Model()
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, loss in enumerate(row):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            if model.stop_training:
                break
        best.append(callback.best_epoch)
        stopped.append(epoch)
    write(
        "early_stopping.npz",
        {"losses": losses, "patience": patience, "best": best, "stopped": stopped},
    )


# Metrics


def metrics():
    random = np.random.default_rng(3)
    count, classes = 40, 5
    labels = random.integers(0, classes, size=count)
    logits = random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    # Equal scores, which ranks have to share.
    logits = floats(np.round(logits, 1))
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(torch.tensor(logits)))
    one_hot = np.eye(classes)[labels]
    predicted = np.eye(classes)[logits.argmax(axis=1)]

    def value(metric, truth, scores):
        metric.update_state(torch.tensor(truth), torch.tensor(scores))
        return keras.ops.convert_to_numpy(metric.result())

    def area(scores, positive):
        """The share of pairs in order, equal ones counting half."""
        difference = scores[positive][:, None] - scores[~positive][None, :]
        return np.mean((difference > 0) + 0.5 * (difference == 0))

    m = keras.metrics
    areas = [area(probabilities[:, k], labels == k) for k in range(classes)]
    scores_of_two = floats(np.round(random.random(count) * 0.6 + 0.4 * (labels > 2), 2))
    area_of_two = area(scores_of_two, labels > 2)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    for truth, guess in zip(labels, logits.argmax(axis=1)):
        confusion[truth, guess] += 1
    write(
        "metrics.npz",
        {
            "logits": logits,
            "labels": labels,
            "accuracy": value(m.SparseCategoricalAccuracy(), labels, logits),
            "top_2": value(m.SparseTopKCategoricalAccuracy(k=2), labels, logits),
            "top_3": value(m.SparseTopKCategoricalAccuracy(k=3), labels, logits),
            "precision": [
                value(m.Precision(class_id=k), one_hot, predicted) for k in range(classes)
            ],
            "recall": [value(m.Recall(class_id=k), one_hot, predicted) for k in range(classes)],
            "f1": value(m.F1Score(average=None), one_hot, predicted),
            "f1_macro": value(m.F1Score(average="macro"), one_hot, predicted),
            "areas": areas,
            "area_macro": np.mean(areas),
            "confusion": confusion,
            "scores_of_two": scores_of_two,
            "labels_of_two": (labels > 2).astype(np.int64),
            "accuracy_of_two": value(m.BinaryAccuracy(), labels > 2, scores_of_two),
            "area_of_two": area_of_two,
        },
    )


FOLDER.mkdir(parents=True, exist_ok=True)
optimizers()
losses()
schedules()
early_stopping()
metrics()
