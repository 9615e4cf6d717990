"""Recipes and the options that override them: what was given, what is fitted, what is refused."""

import shutil

import pytest


@pytest.fixture
def trunk(faults):
    return faults / "evaluate-on-trained-pictures"


@pytest.fixture
def recipe(tmp_path, trunk):
    """Writes a recipe for the network of the tests, with further lines."""

    def write(*lines):
        path = tmp_path / "recipe.yaml"
        common = [f"model: {trunk / 'model.onnx'}", "preprocess: unit", "resize: '16'"]
        path.write_text("\n".join([*common, *lines]) + "\n")
        return path

    return write


def finetune(graft, trunk, output, *options, **others):
    words = ("finetune", trunk / "pictures", "--threads", 1, "--output", output)
    return graft(*words, *options, **others)


def batch(run):
    lines = (run / "recipe.yaml").read_text().splitlines()
    return next(line for line in lines if line.startswith("batch_size: "))


# The 36 images leave 29 for training, fewer than a batch has by default.


@pytest.mark.parametrize("lines", [[], ["from_scratch: false"]])
def test_a_default_batch_is_fitted(graft, trunk, recipe, tmp_path, lines):
    path = recipe("phases: [{epochs: 1}]", *lines)
    result = finetune(graft, trunk, tmp_path / "run", "--recipe", path)
    assert result.status == 0 and "a batch has all 29 training images" in result.errors
    assert batch(tmp_path / "run") == "batch_size: 29"


def test_a_recipe_from_scratch_has_a_default_batch_that_is_fitted(graft, trunk, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "model: resnet9\nfrom_scratch: true\nimage_size: '32'\npreprocess: unit\n"
        "phases: [{epochs: 0}]\n"
    )
    for command in ["finetune", "train"]:
        result = graft(
            command, trunk / "pictures", "--recipe", path, "--threads", 1, "--output",
            tmp_path / command,
        )  # fmt: skip
        assert result.status == 0 and "a batch has all 29" in result.errors, result.errors
        assert batch(tmp_path / command) == "batch_size: 29"


@pytest.mark.parametrize("size", [32, 30])
def test_a_batch_that_was_given_is_not_changed(graft, trunk, recipe, tmp_path, size):
    path = recipe("phases: [{epochs: 1}]", f"batch_size: {size}")
    fault = f"a batch of {size} is larger than the 29 training images. Use 29 or less"
    result = finetune(graft, trunk, tmp_path / "run", "--recipe", path)
    assert result.status == 65, result.errors
    assert f"recipe.yaml: line 5: batch_size: {fault}" in result.errors
    assert not (tmp_path / "run").exists()
    # An option overrides the file, and is no default either.
    result = finetune(
        graft, trunk, tmp_path / "run", "--recipe", path, "--batch-size", size, "--seed", 2
    )
    assert result.status == 64 and f"--batch-size: {fault}" in result.errors, result.errors
    result = finetune(graft, trunk, tmp_path / "run", "--recipe", path, "--batch-size", 8)
    assert result.status == 0 and "a batch has" not in result.errors
    assert batch(tmp_path / "run") == "batch_size: 8"


@pytest.mark.parametrize("folds", [(), ("--cross-validate", 2)])
def test_a_command_with_a_recipe_can_be_repeated_to_resume(graft, trunk, recipe, tmp_path, folds):
    path = recipe("phases: [{epochs: 1}, {epochs: 0}]")
    words = ("--recipe", path, *folds, "--head", "gap,dense(classes)")
    run = tmp_path / "run"
    result = finetune(graft, trunk, run, *words)
    assert result.status == 0 and "a batch has all" in result.errors, result.errors
    result = finetune(graft, trunk, run, *words, "--resume")
    assert result.status == 0 and "already finished" in result.output, result.errors
    if not folds:
        result = finetune(graft, trunk, run, *words, "--resume", "--epochs", "2,0")
        assert result.status == 0 and batch(run) == "batch_size: 29", result.errors
    # A batch that differs is refused, wherever it was given.
    result = finetune(graft, trunk, run, *words, "--resume", "--batch-size", 8)
    assert result.status == 64 and "--batch-size is '8', but was '" in result.errors
    path.write_text(path.read_text() + "batch_size: 8\n")
    result = finetune(graft, trunk, run, *words, "--resume")
    assert result.status == 65, result.errors
    assert "recipe.yaml: line 5: 'batch_size' is '8', but was '" in result.errors
    assert "Omit --recipe" in result.errors


def test_what_a_resumed_run_cannot_change(graft, trunk, recipe, tmp_path):
    path = recipe("phases: [{epochs: 1}, {epochs: 0}]")
    run = tmp_path / "run"
    assert finetune(graft, trunk, run, "--recipe", path).status == 0
    result = finetune(graft, trunk, run, "--resume", "--epochs", 3)
    assert result.status == 64, result.errors
    assert "--epochs has 1 phase, but the run has 2" in result.errors
    assert "--epochs 1,0" in result.errors and "Only" not in result.errors
    result = finetune(graft, trunk, run, "--resume", "--epochs", "0,0")
    assert "phase 1 already has 1 epoch" in result.errors and result.status == 64, result.errors
    result = finetune(graft, trunk, run, "--resume", "--loss", "hinge")
    assert result.status == 64
    assert "--loss is 'hinge', but was not set when the run started. Omit it" in result.errors


LATE = [
    ("class_weights: cat=2", "class_weights: unknown class 'cat'"),
    ("loss: hinge\nclass_weights: red=2", "class_weights: the loss 'hinge' does not support class"),
    ("learning_rate_factors: nosuch=2", "learning_rate_factors: there is no layer 'nosuch'"),
    ("phases: [{unfreeze: nosuch}]", "unfreeze: there is no layer 'nosuch'"),
    ("phases: [{freeze: nosuch}]", "freeze: there is no layer 'nosuch'"),
    ("head: 'gap,gap,dense(classes)'", "head: 'gap' has nothing to pool"),
    ("cut: nosuch", "cut: "),
    ("augment: mixup\nloss: hinge", "the loss 'hinge' does not support mixed targets"),
    ("crop: '24'", "crop: images are resized to 16, too small for a crop of 24"),
    ("cut: a\nhead: keep", "'cut' cannot be combined with 'head' keep. Omit 'cut'"),
]


@pytest.mark.parametrize("text, part", LATE, ids=[text for text, _ in LATE])
def test_settings_that_do_not_fit_are_those_of_their_file(
    graft, trunk, recipe, tmp_path, text, part
):
    path = recipe(*text.splitlines())
    result = finetune(graft, trunk, tmp_path / "run", "--recipe", path)
    assert result.status == 65, result.errors
    start = f"error: {path}: line "
    assert result.errors.splitlines()[-1].startswith(start) and part in result.errors
    assert "--" not in result.errors.split(start)[1], result.errors
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_fit_are_those_of_their_option(graft, trunk, recipe, tmp_path):
    path = recipe("head: 'gap,gap,dense(classes)'", "class_weights: nosuch=1")
    good = ("--head", "gap,dense(classes)")
    for options, start in [
        ((*good, "--class-weights", "cat=2"), "--class-weights: unknown class 'cat'"),
        ((*good, "--class-weights", "red=2", "--loss", "hinge"), "--class-weights: the loss"),
        ((*good, "--class-weights", "balanced", "--unfreeze", "nosuch"), "--unfreeze: there is no"),
        (("--head", "gmp,gmp,dense(classes)"), "--head: 'gmp' has nothing to pool"),
    ]:
        result = finetune(graft, trunk, tmp_path / "run", "--recipe", path, *options)
        assert result.status == 64, result.errors
        assert result.errors.splitlines()[-1].startswith(f"error: {start}"), result.errors


def test_a_model_that_a_recipe_names_wrongly(graft, trunk, recipe, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("seed: 1\nmodel: nosuch.onnx\n")
    result = finetune(graft, trunk, tmp_path / "run", "--recipe", path)
    assert result.status == 66
    assert "recipe.yaml: line 2: model: nosuch.onnx: no such file" in result.errors


@pytest.mark.parametrize("option", ["--freeze", "--unfreeze", "--cut", "--weights", "--model"])
def test_an_empty_text_is_no_setting(graft, tmp_path, option):
    """Probably an unset variable."""
    result = graft("finetune", tmp_path, option, "")
    assert result.status == 64 and f"invalid value '' for '{option}'" in result.errors


def test_a_preview_is_not_a_search_or_of_folds(graft, tmp_path):
    for words in [["--find-learning-rate"], ["--cross-validate", 3]]:
        result = graft("finetune", tmp_path, "--augment", "flip", "--preview", "a.png", *words)
        assert result.status == 64, result.errors
        assert "--preview cannot be combined with --find-learning-rate or" in result.errors
    assert not list(tmp_path.glob("*.png"))


def test_a_folder_has_one_run_or_its_folds(graft, trunk, recipe, tmp_path):
    path = recipe("phases: [{epochs: 1}]")
    one, folds = tmp_path / "one", tmp_path / "folds"
    cross = ("--cross-validate", 2)
    assert finetune(graft, trunk, one, "--recipe", path).status == 0
    assert finetune(graft, trunk, folds, "--recipe", path, *cross).status == 0
    before = sorted(tmp_path.rglob("*"))
    for run, options, part in [
        (one, cross, "already has a run. Choose another folder, such as --output"),
        (one, (), "already has a run. Continue with --resume, or start another run with --output"),
        (folds, cross, "already has the folds of --cross-validate. Continue with --resume, or"),
        (folds, (), "already has the folds of --cross-validate. Choose another folder, such as"),
    ]:
        result = finetune(graft, trunk, run, "--recipe", path, *options)
        assert result.status == 73, result.errors
        assert f"{run}: {part}" in result.errors and f"{run}2" in result.errors
    assert sorted(tmp_path.rglob("*")) == before
    # Learning rates can be tried beside a run.
    shutil.copytree(one, tmp_path / "again")
    result = finetune(graft, trunk, tmp_path / "again", "--recipe", path, "--find-learning-rate")
    assert result.status == 0, result.errors


def test_one_epoch_is_not_one_epochs(graft, trunk, recipe, tmp_path):
    path = recipe("phases: [{epochs: 1, schedule: cosine}]")
    run = tmp_path / "run"
    assert finetune(graft, trunk, run, "--recipe", path).status == 0
    result = finetune(graft, trunk, run, "--resume", "--epochs", 2)
    assert result.status == 0 and "was for 1 epoch so far, and is now for 2" in result.errors
