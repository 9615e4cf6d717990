"""Reads the folder of a run: recipe, split, first weights, losses of steps, results."""

import csv
import json
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml


class Unusable(Exception):
    """The run cannot be repeated; the message says why."""


@dataclass
class Call:
    """A name with arguments, as recipes write layers and optimizers: `dense(128,relu,l2=1e-5)`."""

    name: str
    words: list = field(default_factory=list)
    values: dict = field(default_factory=dict)

    @staticmethod
    def parse(text):
        match = re.fullmatch(r"([^()]+)(?:\((.*)\))?", re.sub(r"\s", "", text))
        if not match:
            raise Unusable(f"'{text}' lacks a parenthesis")
        call = Call(match[1].lower())
        for part in (match[2] or "").split(","):
            key, equals, value = part.partition("=")
            if equals:
                call.values[key.lower()] = float(value)
            elif part:
                call.words.append(part)
        return call

    @staticmethod
    def parse_list(text):
        """Calls between the commas that stand outside of parentheses."""
        return [Call.parse(part) for part in re.split(r",(?![^()]*\))", text)]

    def take(self, key, default):
        return self.values.pop(key, default)

    def take_word(self, word):
        found = word in self.words
        if found:
            self.words.remove(word)
        return found

    def require_no_more(self):
        if rest := self.words + list(self.values):
            raise Unusable(f"'{rest[0]}' of '{self.name}' is not known here")


@dataclass
class Phase:
    unfreeze: str
    freeze: str
    epochs: int
    learning_rate: float
    optimizer: str
    schedule: str


@dataclass
class Result:
    """How a phase did on the test images; the accuracy is a share."""

    loss: float
    accuracy: float


# Settings of recipes that are not supported here.
UNREPEATED = [
    "accumulation_steps",
    "augment",
    "cached_augmentations",
    "class_weights",
    "early_stopping",
    "gradient_clipping",
    "learning_rate_factors",
    "loss",
]


class GraftRun:
    """A run of `graft finetune`.

    head: arrays of the head's first weights by name, kernels as [inputs, units]
    parts: for training, validation and test the paths and the labels, in order
    steps: for each phase, from 1, the losses of its steps, in order
    results: for each phase, from 1, what Graft came to
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.recipe = self._mapping("recipe.yaml")
        for key in UNREPEATED:
            if self.recipe.get(key, 1) not in (None, 1):
                raise Unusable(
                    f"{self.folder}: its recipe says '{key}', which is not repeated here"
                )
        # In YAML 1.1, 3e-4 is a text, as it has no point.
        self.phases = [
            Phase(
                unfreeze=str(phase.get("unfreeze", "all" if "freeze" in phase else "none")),
                freeze=str(phase.get("freeze", "none")),
                epochs=int(phase.get("epochs", 10)),
                learning_rate=float(phase.get("learning_rate", 3e-4)),
                optimizer=phase.get("optimizer", "adam"),
                schedule=phase.get("schedule", "constant"),
            )
            for phase in self.recipe["phases"]
        ]
        self.head_layers = Call.parse_list(self.recipe["head"])
        self.batch_size = int(self.recipe["batch_size"])
        # The folds of a cross-validation share the recipe's seed: chance must not be the same in
        # all of them.
        name = self.folder.resolve().name.encode()
        self.seed = int(self.recipe["seed"]) + zlib.crc32(name)
        self.shuffles = bool(self.recipe["shuffle"])
        self.head = dict(np.load(self._path("initial-head.npz")))
        self.parts = self._read_split()
        self.steps = self._read_steps()
        state = json.loads(np.load(self._path("last.npz"))["graft.run.json"].tobytes())["state"]
        self.results = {
            result["phase"]: Result(result["loss"], result["accuracy"])
            for result in state["phaseResults"]
        }
        self.is_finished = state["phase"] == len(self.phases)

    @property
    def score_count(self):
        """Units of the head's last layer: one for two classes."""
        return list(self.head.values())[-1].shape[-1]

    @property
    def is_binary(self):
        return self.score_count == 1

    @property
    def has_dropout(self):
        return any(layer.name == "dropout" for layer in self.head_layers)

    def _path(self, name):
        path = self.folder / name
        if not path.exists():
            raise Unusable(f"{path}: is missing; this is not a finished run of `graft finetune`")
        return path

    def _mapping(self, name):
        with open(self._path(name), encoding="utf-8") as file:
            return yaml.safe_load(file)

    def _read_split(self):
        parts = {"training": ([], []), "validation": ([], []), "test": ([], [])}
        with open(self._path("split.csv"), encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                paths, labels = parts[row["part"]]
                paths.append(row["image"])
                labels.append(int(row["label"]))
        return parts

    def _read_steps(self):
        steps = {number: [] for number in range(1, len(self.phases) + 1)}
        with open(self._path("steps.csv"), encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                steps[int(row["phase"])].append(float(row["loss"]))
        return steps


def runs_in(folders):
    """The runs; a folder of a cross-validation gives its folds."""
    runs = []
    for folder in map(Path, folders):
        folds = sorted(folder.glob("fold*/recipe.yaml"), key=lambda path: int(path.parent.name[4:]))
        if (folder / "recipe.yaml").exists() or not folds:
            runs.append(GraftRun(folder))
        else:
            runs += [GraftRun(path.parent) for path in folds]
    return runs
