"""Trains 51 kinds of models with scikit-learn, XGBoost and LightGBM on random data, exports them to
ONNX, and compares what Graft and onnxruntime compute with the libraries' own predictions.

Classifiers are exported as their converters do it by default, with ZipMap, and without it.
Needs the packages of Tests/Interop/scikit_learn.txt.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import traceback
import warnings

import lightgbm
import numpy as np
import onnx
import onnxruntime
import sklearn
import skl2onnx
import xgboost
from onnx import numpy_helper
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx.common.data_types import (
    DictionaryType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn import (
    calibration,
    cluster,
    compose,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_extraction,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    mixture,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

OPSET = {"": 18, "ai.onnx.ml": 3}
ROWS = 57
GENERATOR = np.random.default_rng(7)


# Data


def features(rows=300, columns=6):
    return GENERATOR.normal(size=(rows, columns)).astype(np.float32)


def counts(rows=300, columns=6):
    return GENERATOR.poisson(2, size=(rows, columns)).astype(np.float32)


def target(x, noise=0.1):
    return x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + GENERATOR.normal(scale=noise, size=len(x))


def classes(x, number=3):
    y = target(x)
    return np.digitize(y, np.quantile(y, np.arange(1, number) / number))


def words(rows=120):
    vocabulary = "red green blue house tree river stone cloud bird fish".split()
    return np.array([" ".join(GENERATOR.choice(vocabulary, size=6)) for _ in range(rows)])


class Kind:
    """A fitted model with the inputs to try."""

    def __init__(
        self, model, inputs, methods, types=None, options=None, more_options=None, tolerance=1e-4
    ):
        self.model = model
        # An array, or a dictionary of columns.
        self.inputs = inputs
        # What the outputs of the exported model are, by names of methods.
        self.methods = methods
        self.types = types
        self.options = options
        self.more_options = more_options or {}
        self.tolerance = tolerance


KINDS = {}


def kind(function):
    KINDS[function.__name__] = function
    return function


def register(name, make):
    KINDS[name] = make


def classifier(name, make, number=3, labels=None, data=features, second="predict_proba", **more):
    def fitted():
        x = data()
        y = classes(x, number)
        if labels:
            y = np.array(labels)[y]
        return Kind(make().fit(x, y), data()[:ROWS], ["predict", second], **more)

    register(name, fitted)


def regressor(name, make, data=features, **more):
    def fitted():
        x = data()
        return Kind(make().fit(x, target(x)), data()[:ROWS], ["predict"], **more)

    register(name, fitted)


def transformer(name, make, data=features, **more):
    def fitted():
        x = data()
        return Kind(make().fit(x, classes(x)), data()[:ROWS], ["transform"], **more)

    register(name, fitted)


# The kinds

classifier("logistic regression", lambda: linear_model.LogisticRegression())
classifier(
    "logistic regression, two classes of strings",
    lambda: linear_model.LogisticRegression(),
    2,
    ["no", "yes"],
)
classifier(
    "stochastic gradient descent",
    lambda: linear_model.SGDClassifier(loss="modified_huber", random_state=0),
)
classifier(
    "ridge classifier",
    lambda: linear_model.RidgeClassifier(),
    second="decision_function",
    options={"raw_scores": True, "zipmap": False},
)
classifier(
    "linear support vectors",
    lambda: svm.LinearSVC(),
    second="decision_function",
    options={"raw_scores": True},
)
classifier("perceptron", lambda: neural_network.MLPClassifier((8,), max_iter=60, random_state=0))
classifier(
    "decision tree", lambda: tree.DecisionTreeClassifier(max_depth=6), labels=["a", "b", "c"]
)
classifier("random forest", lambda: ensemble.RandomForestClassifier(20, max_depth=6))
classifier("extremely random trees", lambda: ensemble.ExtraTreesClassifier(20), 2)
classifier("gradient boosting", lambda: ensemble.GradientBoostingClassifier(n_estimators=10))
classifier(
    "gradient boosting, two classes",
    lambda: ensemble.GradientBoostingClassifier(n_estimators=10),
    2,
)


def with_gaps():
    x = features()
    x[GENERATOR.random(x.shape) < 0.1] = np.nan
    return x


def classes_of_gaps(number):
    x = with_gaps()
    return x, classes(np.nan_to_num(x), number)


@kind
def histogram_gradient_boosting_with_gaps():
    x, y = classes_of_gaps(3)
    model = ensemble.HistGradientBoostingClassifier(max_iter=10).fit(x, y)
    return Kind(model, with_gaps()[:ROWS], ["predict", "predict_proba"])


classifier("AdaBoost", lambda: ensemble.AdaBoostClassifier(n_estimators=5))
classifier(
    "bagging",
    lambda: ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=4), 5),
)
classifier(
    "voting",
    lambda: ensemble.VotingClassifier(
        [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))],
        voting="soft",
        flatten_transform=False,
    ),
)
classifier(
    "stacking",
    lambda: ensemble.StackingClassifier(
        [("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))]
    ),
)
classifier(
    "calibrated classifier",
    lambda: calibration.CalibratedClassifierCV(tree.DecisionTreeClassifier(max_depth=3), cv=2),
)
classifier("support vectors", lambda: svm.SVC(), labels=["x", "y", "z"], second="decision_function")
classifier("support vectors with probabilities", lambda: svm.SVC(probability=True, random_state=0))
classifier(
    "support vectors of two classes, polynomial",
    lambda: svm.SVC(kernel="poly", coef0=1, probability=True, random_state=0),
    2,
)
classifier(
    "nu support vectors, sigmoid",
    lambda: svm.NuSVC(nu=0.2, kernel="sigmoid", gamma=0.1, probability=True, random_state=0),
)
classifier("nearest neighbours", lambda: neighbors.KNeighborsClassifier(5))
classifier("Gaussian naive Bayes", lambda: naive_bayes.GaussianNB())
classifier("multinomial naive Bayes", lambda: naive_bayes.MultinomialNB(), data=counts)
classifier("Bernoulli naive Bayes", lambda: naive_bayes.BernoulliNB(binarize=1.5), data=counts)
classifier("complement naive Bayes", lambda: naive_bayes.ComplementNB(), data=counts)
classifier("linear discriminants", lambda: discriminant_analysis.LinearDiscriminantAnalysis())
classifier("quadratic discriminants", lambda: discriminant_analysis.QuadraticDiscriminantAnalysis())
classifier(
    "one against the rest",
    lambda: multiclass.OneVsRestClassifier(linear_model.LogisticRegression()),
)
classifier("XGBoost classifier", lambda: xgboost.XGBClassifier(n_estimators=10, max_depth=4))
classifier("LightGBM classifier", lambda: lightgbm.LGBMClassifier(n_estimators=10, verbose=-1), 2)

regressor("linear regression", lambda: linear_model.LinearRegression())
regressor("support vector regression", lambda: svm.SVR())
regressor("nearest neighbour regression", lambda: neighbors.KNeighborsRegressor(4))
regressor(
    "perceptron regression",
    lambda: neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=60),
)
regressor("random forest regression", lambda: ensemble.RandomForestRegressor(20, max_depth=8))
regressor(
    "gradient boosting regression", lambda: ensemble.GradientBoostingRegressor(n_estimators=10)
)
regressor(
    "Gaussian process regression",
    lambda: gaussian_process.GaussianProcessRegressor(
        gaussian_process.kernels.RBF(2.0), alpha=0.1, optimizer=None
    ),
    tolerance=1e-2,
)
regressor("XGBoost regressor", lambda: xgboost.XGBRegressor(n_estimators=10, max_depth=4))
regressor("LightGBM regressor", lambda: lightgbm.LGBMRegressor(n_estimators=10, verbose=-1))


@kind
def isolation_forest():
    x = features()
    return Kind(
        ensemble.IsolationForest(n_estimators=20, random_state=0).fit(x),
        features()[:ROWS],
        ["predict", "decision_function"],
    )


@kind
def one_class_support_vectors():
    x = features()
    return Kind(svm.OneClassSVM(nu=0.2).fit(x), features()[:ROWS], ["predict", "decision_function"])


@kind
def k_means():
    return Kind(
        cluster.KMeans(4, n_init=1, random_state=0).fit(features()),
        features()[:ROWS],
        ["predict", "transform"],
        tolerance=1e-3,
    )


@kind
def gaussian_mixture():
    return Kind(
        mixture.GaussianMixture(3, random_state=0).fit(features()),
        features()[:ROWS],
        ["predict", "predict_proba"],
        tolerance=1e-3,
    )


transformer(
    "scalers and principal components",
    lambda: pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        preprocessing.MinMaxScaler(),
        preprocessing.RobustScaler(),
        preprocessing.MaxAbsScaler(),
        decomposition.PCA(3),
        preprocessing.Normalizer(),
    ),
)
transformer(
    "polynomials, bins and selection",
    lambda: pipeline.make_pipeline(
        preprocessing.KBinsDiscretizer(4, encode="ordinal", strategy="uniform"),
        preprocessing.PolynomialFeatures(2),
        feature_selection.SelectKBest(k=5),
        preprocessing.Binarizer(threshold=1.5),
    ),
)


@kind
def imputers():
    x = with_gaps()
    model = pipeline.make_pipeline(
        impute.SimpleImputer(strategy="median"), preprocessing.PowerTransformer()
    )
    return Kind(model.fit(x), with_gaps()[:ROWS], ["transform"], tolerance=1e-3)


def table(rows=200):
    return {
        "color": GENERATOR.choice(["red", "green", "blue"], size=(rows, 1)).astype(object),
        "size": GENERATOR.choice(["S", "M", "L"], size=(rows, 1)).astype(object),
        "weight": GENERATOR.normal(size=(rows, 1)).astype(np.float32),
        "age": GENERATOR.integers(0, 90, size=(rows, 1)).astype(np.int64),
    }


TABLE_TYPES = [
    ("color", StringTensorType([None, 1])),
    ("size", StringTensorType([None, 1])),
    ("weight", FloatTensorType([None, 1])),
    ("age", Int64TensorType([None, 1])),
]


def frame(columns):
    import pandas

    return pandas.DataFrame({name: column[:, 0] for name, column in columns.items()})


class FrameModel:
    """A model of data frames, that takes dictionaries of columns."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return lambda columns: getattr(self.model, name)(frame(columns))


def columns_pipeline(last):
    return pipeline.make_pipeline(
        compose.ColumnTransformer(
            [
                ("one-hot", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["color"]),
                ("ordinal", preprocessing.OrdinalEncoder(), ["size"]),
                ("scaled", preprocessing.StandardScaler(), ["weight", "age"]),
            ]
        ),
        last,
    )


@kind
def columns_of_strings_and_numbers():
    columns = table()
    y = (columns["color"][:, 0] == "red").astype(int) + (columns["age"][:, 0] > 40)
    model = columns_pipeline(ensemble.RandomForestClassifier(10, random_state=0))
    model.fit(frame(columns), y)
    return Kind(FrameModel(model), table(ROWS), ["predict", "predict_proba"], types=TABLE_TYPES)


def text_kind(model, rows=120):
    texts = words(rows)
    y = np.array([text.count("red") + text.count("bird") > 1 for text in texts]).astype(int)
    model.fit(texts, y)
    return Kind(
        model,
        words(ROWS),
        ["predict", "predict_proba"],
        types=[("text", StringTensorType([None, 1]))],
        # The default is a locale that few machines have.
        more_options={id(model[0]): {"locale": "C"}},
        tolerance=1e-3,
    )


@kind
def counted_words():
    return text_kind(
        pipeline.make_pipeline(
            feature_extraction.text.CountVectorizer(), naive_bayes.MultinomialNB()
        )
    )


@kind
def weighted_words():
    return text_kind(
        pipeline.make_pipeline(
            feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2)),
            linear_model.LogisticRegression(),
        )
    )


@kind
def dictionaries():
    names = ["a", "b", "c", "d"]

    def rows(number):
        return [
            {name: float(GENERATOR.normal()) for name in GENERATOR.choice(names, 3, replace=False)}
            for _ in range(number)
        ]

    x = rows(80)
    y = np.array([sum(row.values()) for row in x])
    model = pipeline.make_pipeline(
        feature_extraction.DictVectorizer(sparse=False, dtype=np.float32),
        linear_model.LinearRegression(),
    )
    return Kind(
        model.fit(x, y),
        rows(8),
        ["predict"],
        types=[("x", DictionaryType(StringTensorType([1]), FloatTensorType([1])))],
    )


# Converters of other packages


def register_converters():
    for model, alias, convert, options in [
        (
            lightgbm.LGBMClassifier,
            "LightGbmLGBMClassifier",
            convert_lightgbm,
            {"nocl": [True, False], "zipmap": [True, False, "columns"]},
        ),
        (
            xgboost.XGBClassifier,
            "XGBoostXGBClassifier",
            convert_xgboost,
            {"nocl": [True, False], "zipmap": [True, False, "columns"]},
        ),
    ]:
        skl2onnx.update_registered_converter(
            model, alias, calculate_linear_classifier_output_shapes, convert, options=options
        )
    for model, alias, convert in [
        (lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", convert_lightgbm),
        (xgboost.XGBRegressor, "XGBoostXGBRegressor", convert_xgboost),
    ]:
        skl2onnx.update_registered_converter(
            model, alias, calculate_linear_regressor_output_shapes, convert
        )


# Running


def proto_of(value):
    """A serialized value: an array, or a map."""
    if not isinstance(value, dict):
        return numpy_helper.from_array(value)
    proto = onnx.MapProto(key_type=onnx.TensorProto.STRING)
    proto.string_keys.extend(key.encode() for key in value)
    proto.values.elem_type = onnx.SequenceProto.TENSOR
    proto.values.tensor_values.extend(
        numpy_helper.from_array(np.array(number, np.float32)) for number in value.values()
    )
    return proto


def value_of(content, type_proto):
    """The value in a file: an array, or a list of dictionaries."""
    if not type_proto.HasField("sequence_type"):
        return numpy_helper.to_array(onnx.TensorProto.FromString(content))
    values = []
    for proto in onnx.SequenceProto.FromString(content).map_values:
        keys = [key.decode() for key in proto.string_keys] or list(proto.keys)
        numbers = [numpy_helper.to_array(t).item() for t in proto.values.tensor_values]
        values.append(dict(zip(keys, numbers)))
    return values


def run_graft(graft, model, feeds):
    with tempfile.TemporaryDirectory(prefix="graft-scikit-learn-") as folder:
        path = os.path.join(folder, "model.onnx")
        onnx.save(model, path)
        for position, value in enumerate(model.graph.input):
            with open(os.path.join(folder, f"input_{position}.pb"), "wb") as file:
                file.write(proto_of(feeds[value.name]).SerializeToString())
        result = subprocess.run(
            [graft, "run", path, "--input-dir", folder, "--output-dir", folder],
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise AssertionError(result.stderr.strip()[:400])
        outputs = []
        for position, value in enumerate(model.graph.output):
            with open(os.path.join(folder, f"output_{position}.pb"), "rb") as file:
                outputs.append(value_of(file.read(), value.type))
        return outputs


def run_onnxruntime(model, feeds):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def as_array(value, labels):
    """Scores as an array, whose columns are in the order of the classes."""
    if isinstance(value, list):
        return np.array([[row[label] for label in labels] for row in value])
    return np.asarray(value)


def require_close(name, found, expected, tolerance):
    expected = np.asarray(expected)
    found = np.asarray(found).reshape(expected.shape)
    if expected.dtype.kind in "OUS":
        np.testing.assert_array_equal(found.astype(str), expected.astype(str), err_msg=name)
    else:
        np.testing.assert_allclose(
            found.astype(np.float64),
            expected.astype(np.float64),
            rtol=tolerance,
            atol=tolerance,
            err_msg=name,
        )


def require_labels(name, found, expected, scores):
    """Labels must be the same wherever scores tell the classes apart."""
    found, expected = np.asarray(found).reshape(-1), np.asarray(expected).reshape(-1)
    differs = found.astype(str) != expected.astype(str)
    if scores is not None and scores.ndim == 2 and scores.shape[1] > 1:
        ranked = np.sort(scores, axis=1)
        differs &= ranked[:, -1] - ranked[:, -2] > 1e-5
    elif scores is not None:
        differs &= np.abs(scores.reshape(-1)) > 1e-5
    assert not differs.any(), f"{name}: labels of rows {np.flatnonzero(differs)[:5]} differ"


def feeds_of(model, inputs):
    """The inputs of an exported model."""
    if isinstance(inputs, dict):
        return {name: column for name, column in inputs.items()}
    name = model.graph.input[0].name
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind == "U":
        return {name: inputs.reshape(-1, 1).astype(object)}
    return {name: inputs}


def compare(made, model, run):
    """Compares what `run` computes with the library's own results."""
    inputs = made.inputs
    single = isinstance(inputs, list)
    labels = getattr(made.model, "classes_", None)
    if isinstance(made.model, FrameModel):
        labels = made.model.model.classes_
    expected = [getattr(made.model, method)(inputs) for method in made.methods]
    expected = [e.toarray() if hasattr(e, "toarray") else np.asarray(e) for e in expected]
    if single:
        # Dictionaries go one by one.
        rows = [run(model, {model.graph.input[0].name: row}) for row in inputs]
        outputs = [np.concatenate([np.asarray(row[0]).reshape(1, -1) for row in rows])]
    else:
        outputs = run(model, feeds_of(model, inputs))
    scores = expected[1] if len(expected) > 1 else None
    for method, found, wanted in zip(made.methods, outputs, expected):
        if method == "predict" and len(made.methods) > 1:
            require_labels(method, found, wanted, scores)
            continue
        found = as_array(found, labels)
        if method == "decision_function" and wanted.ndim == 1 and found.shape[-1] == 2:
            found = found[:, 1]
        require_close(method, found, wanted, made.tolerance)


def convert(made, options):
    model = made.model.model if isinstance(made.model, FrameModel) else made.model
    types = made.types or [("X", FloatTensorType([None, made.inputs.shape[1]]))]
    return skl2onnx.convert_sklearn(
        model,
        initial_types=types,
        options={**(options or {}), **made.more_options},
        target_opset=OPSET,
    )


def register_integers():
    """The converter of histogram gradient boosting gives Booleans where ONNX wants integers."""
    from skl2onnx.common import tree_ensemble

    add_node = tree_ensemble.add_node

    def add_node_of_integers(*arguments, nodes_missing_value_tracks_true=0, **attributes):
        missing = int(nodes_missing_value_tracks_true)
        add_node(*arguments, nodes_missing_value_tracks_true=missing, **attributes)

    tree_ensemble.add_node = add_node_of_integers


def forms(made):
    """The exported forms: with ZipMap, where there is a choice, and without."""
    model = made.model.model if isinstance(made.model, FrameModel) else made.model
    last = model.steps[-1][1] if isinstance(model, pipeline.Pipeline) else model
    if made.options is not None:
        return [{id(model): made.options}]
    if sklearn.base.is_classifier(last):
        return [None, {id(model): {"zipmap": False}}]
    return [None]


def check(name, make, graft):
    made = make()
    operators = set()
    problems = []
    for options in forms(made):
        model = convert(made, options)
        operators |= {f"{node.domain}.{node.op_type}".lstrip(".") for node in model.graph.node}
        runs = {"onnxruntime": run_onnxruntime}
        if graft:
            runs["Graft"] = lambda model, feeds: run_graft(graft, model, feeds)
        for runtime, run in runs.items():
            try:
                compare(made, model, run)
            except Exception as error:
                message = " ".join(str(error).split())[:500]
                problems.append(f"{runtime}, {options and 'no ZipMap' or 'default'}: {message}")
    return problems, operators


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graft", help="the graft command; without it only onnxruntime runs")
    parser.add_argument("--operators", action="store_true", help="list the operators of each kind")
    parser.add_argument("names", nargs="*", help="only kinds whose names contain one of these")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    onnxruntime.set_default_logger_severity(4)
    register_converters()
    register_integers()
    passed = failed = 0
    for name, make in KINDS.items():
        name = name.replace("_", " ")
        if arguments.names and not any(part in name for part in arguments.names):
            continue
        try:
            problems, operators = check(name, make, arguments.graft)
        except Exception:
            problems, operators = [traceback.format_exc(limit=-2)], set()
        if arguments.operators:
            print(f"{name}: {' '.join(sorted(operators))}")
        mine = [p for p in problems if not (arguments.graft and p.startswith("onnxruntime"))]
        for problem in problems:
            print(f"{name}: {problem}")
        passed, failed = passed + (not mine), failed + bool(mine)
    print(f"scikit-learn interop: {passed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
