"""The words of the command line, the environment variables, and the names in them."""

import json
import os
import subprocess

import pytest


def without_proc(graft, *arguments, mount):
    """Runs the program in its own mount namespace, with an unusual /proc."""
    hide = "umount -l /proc" if mount == "none" else "mount -t tmpfs none /proc"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{hide} || exit 99; exec "$@"', "sh"]
        + [str(word) for word in [graft.path, *arguments]],
        env=graft.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"/proc cannot be hidden here: {done.stderr}")
    return done


@pytest.mark.parametrize("mount", ["none", "empty"])
class TestWithoutProc:
    @pytest.fixture(autouse=True)
    def root(self):
        if os.geteuid() != 0:
            pytest.skip("hiding /proc takes root")

    def test_convert_writes(self, graft, faults, tmp_path, mount):
        model = faults / "no-proc-arguments/model.onnx"
        done = without_proc(graft, "convert", model, tmp_path / "out.onnx", mount=mount)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out.onnx").stat().st_size > 0

    def test_infer_answers(self, infer, faults, mount):
        image = faults / "no-proc-arguments/picture.png"
        done = without_proc(infer, image, mount=mount)
        assert done.returncode == 0, done.stderr
        assert str(image) in done.stdout

    def test_wrong_words_are_an_error(self, graft, mount):
        assert without_proc(graft, "nosuch", mount=mount).returncode == 64


@pytest.mark.parametrize(
    "words, hint",
    [
        (["model", "list"], "Did you mean 'models'?"),
        (["infr", "x"], "Did you mean 'infer'?"),
        (["serve"], "infer, finetune"),
        (["help", "nope"], "infer, finetune"),
        (["help", "model"], "Did you mean 'models'?"),
        (["help", "models", "lst"], "Did you mean 'list'?"),
        (["models", "lst"], "Did you mean 'list'?"),
        (["cache", "clean"], "Did you mean 'clear'?"),
        (["help", "infer", "more"], "has no command 'more'"),
        (["inspect", "x", "--jsn"], "Did you mean '--json'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_near_names_of_commands(graft, words, hint):
    result = graft(*words)
    assert result.status == 64
    assert hint in result.errors
    assert not result.output


@pytest.mark.parametrize(
    "name, hint",
    [
        ("VGG16", "'vgg16'"),
        ("vgg", "'vgg16'"),
        ("vgg61", "'vgg16'"),
        ("mobilenet", "'mobilenetv2'"),
        ("resnet", "'resnet50'"),
        ("squeezenet1.1", "'squeezenet1.1-7'"),
        ("Squeezenet", "'squeezenet'"),
        ("cifar", "'cifar10'"),
        ("resnet9", "'resnet50'"),
        ("mobilenetv3", "'mobilenetv2'"),
        ("squeezenet2", "'squeezenet'"),
    ],
)
@pytest.mark.parametrize("command", ["infer", "models path"])
def test_near_names_of_models(graft, faults, name, hint, command):
    if command == "infer":
        image = faults / "no-proc-arguments/picture.png"
        result = graft("infer", image, "--model", name)
    else:
        result = graft("models", "path", name)
    assert result.status == 66
    assert "Did you mean" in result.errors and hint in result.errors


@pytest.mark.parametrize(
    "variable, value, part",
    [
        ("GRAFT_THREADS", "abc", "1 to 256"),
        ("GRAFT_THREADS", "0", "1 to 256"),
        ("GRAFT_THREADS", "-1", "1 to 256"),
        ("GRAFT_THREADS", "257", "1 to 256"),
        ("GRAFT_ISA", "sse", "scalar, avx2, avx512"),
        ("GRAFT_HOME", "/etc/passwd", "Not a directory"),
        ("GRAFT_HOME", "/etc/passwd/x", "Not a directory"),
        ("GRAFT_CACHE_LIMIT", "4Q", "4G"),
        ("GRAFT_OFFLINE", "maybe", "1, true, yes or on"),
        ("GRAFT_OFFLINE", "2", "0, false, no or off"),
    ],
)
def test_variables_that_mean_nothing(graft, variable, value, part):
    result = graft("models", "list", environment={variable: value})
    assert result.status == 64
    assert variable in result.errors and part in result.errors
    # Help and version do not depend on them.
    assert graft("--version", environment={variable: value}).status == 0
    assert graft("--help", environment={variable: value}).status == 0


def test_variables_that_mean_something(graft):
    for variable, value in [
        ("GRAFT_THREADS", "2"),
        ("GRAFT_THREADS", ""),
        ("GRAFT_ISA", "avx2"),
        ("GRAFT_ISA", "scalar"),
        ("GRAFT_OFFLINE", "TRUE"),
        ("GRAFT_OFFLINE", "off"),
        ("GRAFT_OFFLINE", ""),
    ]:
        assert graft("models", "list", environment={variable: value}).status == 0


@pytest.mark.parametrize(
    "words, part",
    [
        (["infer", "x.png", "--top-k", "-1"], "--top-k must be at least 1"),
        (["infer", "x.png", "--top-k", "0"], "--top-k must be at least 1"),
        (["infer", "x.png", "--threads", "-1"], "--threads must be 1 to 256"),
        (["infer", "x.png", "--max-memory", "-5"], "--max-memory must be 1 to 1073741824"),
        (["benchmark", "m", "--runs", "-3"], "--runs and --batch must be at least 1"),
        (["benchmark", "m", "--warmup", "-3"], "--warmup must be at least 0"),
        (["evaluate", "m", "d", "--max-bad", "-1"], "--max-bad must be at least 0"),
        (["finetune", "d", "--cross-validate", "5000"], "2 to 1000 folds"),
        (["finetune", "d", "--cross-validate", "1"], "2 to 1000 folds"),
        (["finetune", "d", "--feature-memory", "-1"], "0 to 1073741824 megabytes"),
        (
            ["finetune", "d", "--early-stopping", "99999999999"],
            "for '--early-stopping'. Use a whole number from 1 to 1000000",
        ),
        (["finetune", "d", "--gradient-clipping", "norm(1e39)"], "above 0 and below 3.4e38"),
        (["finetune", "d", "--learning-rate", "-1"], "'-1' for '--learning-rate'. Use a number"),
        (["finetune", "d", "--learning-rate", "nan"], "invalid value 'nan' for '--learning-rate'"),
        (["finetune", "d", "--learning-rate", "-nan"], "invalid value '-nan'"),
        (["finetune", "d", "--learning-rate", "-inf"], "invalid value '-inf'"),
        (["finetune", "d", "--learning-rate", "-.5"], "invalid value '-.5'"),
        (["finetune", "d", "--optimizer", "adam(epsilon=nan)"], "'nan' for 'epsilon' of"),
        (["finetune", "d", "--epochs", "-1"], "Use a whole number from 0 to 1000000"),
        (["finetune", "d", "--image-size", "999999"], "with sides from 1 to 65536"),
        (["infer", "x.png", "--resize", "999999"], "with sides from 1 to 65536"),
        (["infer", "x.png", "--crop", "0x9"], "with sides from 1 to 65536"),
        (
            ["finetune", "d", "--epochs", "1,2,3", "--learning-rate", "1,2"],
            "--learning-rate has 2 values, but there are 3 phases",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_limits_in_messages_are_the_real_ones(graft, words, part):
    result = graft(*words)
    assert result.status == 64
    assert part in result.errors


@pytest.mark.parametrize("command", ["finetune", "train"])
@pytest.mark.parametrize("name", ["photo.jpg", "sheet", ".png", ""])
def test_previews_are_png_files(graft, tmp_path, command, name):
    (tmp_path / "photo.jpg").write_text("a photo")
    result = graft(command, "data", "--augment", "flip", "--preview", name, cwd=tmp_path)
    assert result.status == 64 and "--preview must name a PNG file" in result.errors
    assert (tmp_path / "photo.jpg").read_text() == "a photo"
    # The extension may have capital letters; then only the images are missing.
    result = graft(command, "data", "--augment", "flip", "--preview", "SHEET.PNG", cwd=tmp_path)
    assert result.status == 66 and "data" in result.errors


def test_infer_has_a_version(infer, graft):
    result = infer("--version")
    assert result.status == 0
    assert result.output == graft("--version").output


@pytest.mark.parametrize(
    "text, parts",
    [
        ("model: vgg16\nphases: [\n", ["line 3, column 1: invalid YAML"]),
        ("model: vgg16\n  head: x\n", ["line 2, column 7: invalid YAML"]),
        ("model: vgg16\nmodel: vgg19\n", ["line 2, column 1", "duplicate property 'model'"]),
        ("epocs: 3\n", ["line 1: unknown property 'epocs'", "'epochs'", "'phases'"]),
        ("phases:\n- epocs: 3\n", ["line 2: unknown property 'epocs'. Did you mean 'epochs'?"]),
        ("modle: vgg16\n", ["line 1: unknown property 'modle'. Did you mean 'model'?"]),
        (
            f"phases:\n- epochs: {2**63 - 1}\n",
            [f"line 2: invalid value '{2**63 - 1}' for 'epochs'. Use a whole number from 0 to"],
        ),
        (f"phases:\n- epochs: {10**20}\n", ["line 2: invalid value '100000000000000000000'"]),
        ("phases:\n- {}\n- optimizer: adm\n", ["line 3: optimizer: unknown optimizer 'adm'"]),
        ("batch_size: many\n", ["line 1: invalid value 'many' for 'batch_size'. Use a whole"]),
        ("seed: -1\n", ["invalid value '-1' for 'seed'. Use a whole number from 0"]),
        ("shuffle: 3\n", ["invalid value '3' for 'shuffle'. Use true or false"]),
        ("phases: 3\n", ["line 1: 'phases' must be a list"]),
        ("loss: nosuch\n", ["line 1: loss: unknown loss 'nosuch'"]),
        ("seed: 1\nhead: \udcff\n", ["line 2: the text is not UTF-8. Save the file as UTF-8"]),
        ("phases:\n- learning_rate: -.nan\n", ["line 2: invalid value '-.nan' for"]),
        ("seed: 0b11\n", ["line 1: invalid value '0b11' for 'seed'"]),
        (
            "image_size: 999999\n",
            ["line 1: image_size: invalid image size '999999'", "from 1 to 65536"],
        ),
        ("augment: crop(-1)\n", ["line 1: augment: invalid value '-1' for 'crop'. Use"]),
    ],
    ids=[
        "open",
        "indented",
        "twice",
        "phase",
        "in-phase",
        "near",
        "many",
        "huge",
        "optimizer",
        "word",
        "negative",
        "boolean",
        "list",
        "loss",
        "not UTF-8",
        "not a number",
        "binary",
        "image size",
        "augmentation",
    ],
)
def test_what_is_wrong_in_a_recipe(graft, tmp_path, text, parts):
    (tmp_path / "recipe.yaml").write_bytes(text.encode(errors="surrogateescape"))
    result = graft("finetune", tmp_path, "--recipe", tmp_path / "recipe.yaml")
    assert result.status == 65
    assert result.errors.count("recipe.yaml") == 1
    for part in parts:
        assert part in result.errors


def test_a_recipe_of_another_kind(graft, tmp_path):
    (tmp_path / "recipe.yaml").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    result = graft("finetune", tmp_path, "--recipe", tmp_path / "recipe.yaml")
    assert result.status == 65
    assert "recipe.yaml: is a PNG image, not a recipe. Use a text file in YAML" in result.errors


@pytest.mark.parametrize("command, hint", [
    ("finetune", "`graft train --model resnet9` trains one from scratch"),
    ("train", "Use one of vgg16, vgg19, resnet9"),
])  # fmt: skip
def test_unknown_trunks_are_found_before_the_images(graft, tmp_path, command, hint):
    name = {"finetune": "resnet9", "train": "resnet10"}[command]
    result = graft(command, tmp_path, "--model", name)
    assert result.status == (66 if command == "finetune" else 64)
    assert f"'{name}'" in result.errors and hint in result.errors
    assert "tmp_path" not in result.errors and "no images" not in result.errors


@pytest.mark.parametrize(
    "change, status",
    [("ir -1", 65), ("ir 99", 69), ("type 0", 65), ("type -128", 65), ("type 99", 69)],
)
def test_numbers_that_no_version_of_onnx_has(graft, tmp_path, change, status):
    import onnx
    import onnx.parser

    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[2] x) => (float[2] y) { y = Add(x, w) }'
    )
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], [1, 2])
    kind, number = change.split()
    if kind == "ir":
        model.ir_version = int(number)
    else:
        weight.data_type = int(number)
    model.graph.initializer.append(weight)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    result = graft("inspect", tmp_path / "m.onnx")
    assert result.status == status, result.errors
    assert number in result.errors


def model_of(folder, declaration, nodes):
    import onnx
    import onnx.parser

    text = f'<ir_version: 8, opset_import: ["" : 13]> g {declaration} {{ {nodes} }}'
    onnx.save(onnx.parser.parse_model(text), folder / "m.onnx")
    return folder / "m.onnx"


@pytest.mark.parametrize(
    "words, part",
    [
        (
            ["inspect", "--shape", "x=4,5"],
            "input 'x': the shape is [4, 5]; the model declares float[N, 3]",
        ),
        (
            ["benchmark", "--shape", "x=4,5"],
            "input 'x': the shape is [4, 5]; the model declares float[N, 3]",
        ),
        (["inspect", "--shape", "x=4"], "the shape is [4]; the model declares"),
        (["inspect", "--shape", "x=2,3", "--shape", "x=4,3"], "input 'x': --shape is given twice"),
        (
            ["benchmark", "--shape", "x=2,3", "--shape", "x=4,3"],
            "input 'x': --shape is given twice",
        ),
        (["inspect", "--shape", "y=2,3"], "the model has no input 'y'"),
        (["benchmark", "--shape", "y=2,3"], "the model has no input 'y'"),
        (
            ["benchmark", "--batch", "4", "--shape", "x=2,3"],
            "--batch is 4, but --shape sets input 'x' to [2, 3]",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_shapes_that_contradict(graft, tmp_path, words, part):
    model = model_of(tmp_path, "(float[N, 3] x) => (float[N, 3] z)", "z = Relu(x)")
    result = graft(words[0], model, *words[1:])
    assert result.status == 64 and not result.output
    assert part in result.errors


def test_a_batch_that_the_model_does_not_take(graft, tmp_path):
    # The second Reshape moves elements of one image to another.
    model = model_of(
        tmp_path,
        "(float[1, 6] x) => (float[1, 36] y) <int64[2] a = {6, 1}, int64[2] b = {1, 36}>",
        "c = Reshape(x, a) d = Transpose<perm = [1, 0]>(c) e = MatMul(c, d) y = Reshape(e, b)",
    )
    result = graft("benchmark", model, "--batch", "4", "--runs", "1")
    assert result.status == 64 and not result.output
    assert "input 'x': --batch is 4, but the model requires a batch of 1" in result.errors
    assert graft("benchmark", model, "--batch", "1", "--runs", "1").status == 0
    open_model = model_of(tmp_path, "(float[N, 3] x) => (float[N, 3] z)", "z = Relu(x)")
    words = ["--batch", "4", "--shape", "x=4,3", "--runs", "1"]
    assert graft("benchmark", open_model, *words).status == 0


@pytest.mark.parametrize("words", [["--batch", "4"], ["--shape", "x=4,3"]], ids=str)
def test_a_batch_of_one_can_be_another_one(graft, tmp_path, words):
    model = model_of(tmp_path, "(float[1, 3] x) => (float[1, 3] z)", "z = Relu(x)")
    result = graft("benchmark", model, *words, "--runs", "1", "--json")
    assert result.status == 0, result.errors
    report = json.loads(result.output)
    assert report["images_per_second"] * report["p50_ms"] == pytest.approx(4000)
    # A model that fits no batch is refused.
    result = graft("benchmark", model, "--shape", "x=4,5")
    assert result.status == 64 and "the model declares float[1, 3]" in result.errors


@pytest.mark.parametrize(
    "words", [["--batch", "9" * 18], ["--shape", f"x={'9' * 18},3"], ["--batch", "-1"]], ids=str
)
def test_sizes_that_no_tensor_has(graft, tmp_path, words):
    model = model_of(tmp_path, "(float[N, 3] x) => (float[N, 3] z)", "z = Relu(x)")
    result = graft("benchmark", model, *words)
    assert result.status == 64 and not result.output, result.errors


@pytest.mark.parametrize("extent", ["M", "N", "2"])
def test_a_batch_leaves_inputs_out_that_are_the_same_for_all_images(graft, tmp_path, extent):
    model = model_of(
        tmp_path, f"(float[{extent}] scale, float[N, 2] x) => (float[N, 2] z)", "z = Mul(x, scale)"
    )
    words = ["--batch", "4", "--shape", "scale=2", "--runs", "1", "--json"]
    result = graft("benchmark", model, *words)
    assert result.status == 0, result.errors
    report = json.loads(result.output)
    assert report["images_per_second"] * report["p50_ms"] == pytest.approx(4000)
    result = graft("benchmark", model, *words, "--shape", "x=3,2")
    assert result.status == 64 and "--batch is 4, but --shape sets input" in result.errors
