"""Makes the fixtures again and compares them with those of the repository.

Keras, PyTorch, torchvision and Pillow have to answer as they did when the fixtures were made. Each
maker runs in a copy of the tree, so that nothing in the repository changes.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

TESTS = pathlib.Path(__file__).resolve().parents[1]
MAKERS = {
    "optimizer_trajectories.py": ["GraftTrainingTests"],
    "block_gradients.py": ["GraftTrainingTests"],
    "augmentation_fixtures.py": ["GraftTrainingTests"],
    "exported_network.py": ["GraftTests"],
    "sequence_training.py": ["GraftTests"],
    "keras_exported_network.py": ["GraftTests"],
    "image_files.py": ["GraftVisionTests"],
}
TOLERANCE = 1e-5


def array_differences(made, kept):
    """The differences between two NPZ files."""
    with np.load(made) as made, np.load(kept) as kept:
        if set(made.files) != set(kept.files):
            yield f"has other arrays: {sorted(set(made.files) ^ set(kept.files))}"
        for name in set(made.files) & set(kept.files):
            a, b = made[name], kept[name]
            if a.shape != b.shape or a.dtype != b.dtype:
                yield f"{name} is {a.dtype}{a.shape}, not {b.dtype}{b.shape}"
            elif a.dtype.kind == "f":
                if not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
                    yield f"{name} differs by up to {np.abs(a - b).max()}"
            elif not np.array_equal(a, b):
                yield f"{name} differs"


def differences(made, kept):
    if not kept.exists():
        return ["is not in the repository"]
    if made.suffix == ".npz":
        return list(array_differences(made, kept))
    # Exporters write their versions into models.
    if made.suffix == ".onnx" or made.read_bytes() == kept.read_bytes():
        return []
    return ["differs"]


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "Tests"
        shutil.copytree(TESTS / "Fixtures", copy / "Fixtures")
        for maker, targets in MAKERS.items():
            for target in targets:
                (copy / target / "Fixtures").mkdir(parents=True, exist_ok=True)
            done = subprocess.run([sys.executable, copy / "Fixtures" / maker], text=True)
            if done.returncode != 0:
                print(f"{maker} exits with {done.returncode}")
                failed += 1
        for made in sorted(copy.glob("Graft*/Fixtures/*")):
            name = made.relative_to(copy)
            found = differences(made, TESTS / name)
            for difference in found:
                print(f"{name}: {difference}")
            passed += not found
            failed += bool(found)
    print(f"Fixtures: {passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
