#!/usr/bin/env python3
"""Write `sklearn/`: small models of scikit-learn, LightGBM and XGBoost as their converters export them, with inputs and what
the libraries themselves answer.

    python make_sklearn_models.py [PATTERN]        all cases, or those whose names match

Needs scikit-learn, pandas, skl2onnx, onnx, onnxruntime, and onnxmltools with lightgbm and xgboost. `sklearn/index.json` has one entry for
each case: the file of the model, its inputs, and for each output the expected value, all as lists. Every model is run with
onnxruntime too; a case on which the exporter's result is not the library's answer is written nowhere and ends the script.
"""

import json
import pathlib
import re
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import skl2onnx
import sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn import (calibration, cluster, compose, datasets, decomposition, discriminant_analysis, dummy, ensemble, feature_extraction,
                     feature_selection, gaussian_process, impute, isotonic, kernel_approximation, linear_model, mixture, multiclass,
                     naive_bayes, neighbors, neural_network, pipeline, preprocessing, svm, tree)

HERE = pathlib.Path(__file__).resolve().parent / "sklearn"
ROWS = 12
SEED = 7
#: Of scores near one; labels must be equal.
TOLERANCE = 1e-5

ALL_IRIS = datasets.load_iris(return_X_y=True)


def iris():
    """Three classes, four features, a few training rows; and others that are asked about."""
    order = np.random.default_rng(SEED).permutation(len(ALL_IRIS[0]))
    x, y = ALL_IRIS[0][order].astype(np.float32), ALL_IRIS[1][order]
    return x[:60], y[:60], x[60:60 + ROWS]


def binary(labels=(0, 1)):
    """Two classes that overlap; iris's second and third."""
    x, y = ALL_IRIS[0][50:], ALL_IRIS[1][50:] - 1
    order = np.random.default_rng(SEED).permutation(len(x))
    x, y = x[order].astype(np.float32), np.array(labels)[y[order]]
    return x[:60], y[:60], x[60:60 + ROWS]


def numbers():
    """A smooth function of three features."""
    random = np.random.default_rng(SEED)
    x = random.uniform(-2, 2, (70 + ROWS, 3)).astype(np.float32)
    y = (x[:, 0] + np.sin(2 * x[:, 1]) * x[:, 2]).astype(np.float32)
    return x[:70], y[:70], x[70:]


def counts():
    """Small counts, as of words."""
    random = np.random.default_rng(SEED)
    x = random.poisson(1.2, (60 + ROWS, 5)).astype(np.float32)
    return x[:60], (x[:60, 0] > x[:60, 1]).astype(int) + (x[:60, 2] > 2), x[60:]


def missing(x):
    """The same with every seventh number missing."""
    x = x.copy()
    x.ravel()[::7] = np.nan
    return x


TEXTS = ["the cat sat on the mat", "a dog and a cat", "Dogs chase cats!", "the mat is red", "red dogs, red cats", "no animals here",
         "the quick brown fox", "a fox and the dog", "cats and dogs and foxes", "mat", "", "THE DOG SAT"]
ANIMALS = np.array([1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1])


class Case:
    """A fitted model and what it is asked."""

    def __init__(self, name, model, x, expected, types=None, options=None, tolerance=TOLERANCE, onnx_model=None,
                 runtime_tolerance=None):
        self.name, self.model, self.expected = name, model, expected
        self.inputs = x if isinstance(x, dict) else {"X": x}
        self.types = types or [(n, tensor_type(v)) for n, v in self.inputs.items()]
        self.options, self.tolerance, self.onnx_model = options, tolerance, onnx_model
        #: What onnxruntime, which computes in float32, comes within; 0: it does not run the model at all.
        self.runtime_tolerance = tolerance if runtime_tolerance is None else runtime_tolerance

    def convert(self):
        """The converter's model."""
        if self.onnx_model is not None:
            return self.onnx_model()
        options = {id(self.model): self.options} if self.options else None
        return skl2onnx.to_onnx(self.model, initial_types=self.types, options=options, target_opset={"": 18, "ai.onnx.ml": 3})


def tensor_type(value):
    kinds = {"f4": FloatTensorType, "f8": DoubleTensorType, "i8": Int64TensorType}
    return kinds.get(value.dtype.str[1:], StringTensorType)([None, *value.shape[1:]])


def classifier(name, model, data, zipmap=False, scores="predict_proba", dtype=np.float32, tolerance=TOLERANCE, runtime_tolerance=None,
               **options):
    """A classifier with its label and its probabilities, or raw scores."""
    x, y, asked = data
    model.fit(x.astype(dtype), y)
    asked = asked.astype(dtype)
    settings = {"zipmap": zipmap, **options}
    if scores == "decision_function":
        settings["raw_scores"] = True
    if isinstance(model, svm.LinearSVC):
        del settings["zipmap"]
    expected = [model.predict(asked)]
    if scores:
        found = getattr(model, scores)(asked)
        if found.ndim == 1:
            found = np.stack([-found, found], 1)
        expected.append([dict(zip(model.classes_.tolist(), row.tolist())) for row in found] if zipmap else found)
    return Case(name, model, asked, expected, options=settings, tolerance=tolerance, runtime_tolerance=runtime_tolerance)


def regressor(name, model, data, dtype=np.float32, tolerance=TOLERANCE, **options):
    """A regressor; its answers are a column."""
    x, y, asked = data
    model.fit(x.astype(dtype), y)
    asked = asked.astype(dtype)
    answers = model.predict(asked)
    return Case(name, model, asked, [answers.reshape(len(asked), -1)], options=options or None, tolerance=tolerance)


def transformer(name, model, x, asked=None, dtype=np.float32, **options):
    """What a transformer makes of rows."""
    model.fit(x.astype(dtype) if dtype else x)
    asked = x[:ROWS] if asked is None else asked
    asked = asked.astype(dtype) if dtype else asked
    made = model.transform(asked)
    return Case(name, model, asked, [np.asarray(made.todense()) if hasattr(made, "todense") else made], options=options or None)


def linear():
    for dtype in (np.float32, np.float64):
        kind = "" if dtype == np.float32 else "-double"
        yield classifier(f"logistic-regression{kind}", linear_model.LogisticRegression(), iris(), dtype=dtype)
        yield regressor(f"linear-regression{kind}", linear_model.LinearRegression(), numbers(), dtype=dtype)
    yield classifier("logistic-regression-binary", linear_model.LogisticRegression(), binary())
    yield classifier("logistic-regression-text-labels", linear_model.LogisticRegression(), binary(("no", "yes")))
    yield classifier("logistic-regression-zipmap", linear_model.LogisticRegression(), iris(), zipmap=True)
    yield classifier("logistic-regression-zipmap-text", linear_model.LogisticRegression(), binary(("no", "yes")), zipmap=True)
    yield classifier("logistic-regression-ovr", multiclass.OneVsRestClassifier(linear_model.LogisticRegression()), iris())
    yield classifier("logistic-regression-raw", linear_model.LogisticRegression(), iris(), scores="decision_function")
    yield classifier("linear-svc", svm.LinearSVC(random_state=0), iris(), scores="decision_function")
    yield classifier("sgd", linear_model.SGDClassifier(loss="log_loss", random_state=0), binary())
    yield classifier("ridge-classifier", linear_model.RidgeClassifier(), iris(), scores="decision_function")
    yield classifier("lda", discriminant_analysis.LinearDiscriminantAnalysis(), iris())
    for name, model in (("ridge", linear_model.Ridge()), ("lasso", linear_model.Lasso(0.05)), ("huber", linear_model.HuberRegressor()),
                        ("poisson", linear_model.PoissonRegressor())):
        data = numbers()
        yield regressor(name, model, (data[0], np.abs(data[1]), data[2]))


def trees():
    for dtype in (np.float32, np.float64):
        kind = "" if dtype == np.float32 else "-double"
        yield classifier(f"random-forest{kind}", ensemble.RandomForestClassifier(6, max_depth=4, random_state=0), iris(), dtype=dtype)
    yield regressor("random-forest-regressor", ensemble.RandomForestRegressor(5, max_depth=4, random_state=0), numbers())
    yield classifier("decision-tree", tree.DecisionTreeClassifier(max_depth=4), iris())
    yield classifier("decision-tree-binary", tree.DecisionTreeClassifier(max_depth=4), binary(("no", "yes")))
    yield regressor("decision-tree-regressor", tree.DecisionTreeRegressor(max_depth=4), numbers())
    yield classifier("random-forest-binary", ensemble.RandomForestClassifier(5, max_depth=4, random_state=0), binary((3, 8)))
    yield classifier("random-forest-zipmap", ensemble.RandomForestClassifier(3, max_depth=3, random_state=0), iris(), zipmap=True)
    yield classifier("extra-trees", ensemble.ExtraTreesClassifier(5, max_depth=4, random_state=0), iris())
    yield regressor("extra-trees-regressor", ensemble.ExtraTreesRegressor(4, max_depth=4, random_state=0), numbers())
    yield classifier("gradient-boosting", ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0), iris())
    yield classifier("gradient-boosting-binary", ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0), binary())
    yield regressor("gradient-boosting-regressor", ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0), numbers())
    yield classifier("hist-gradient-boosting", ensemble.HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5), iris())
    x, y, asked = binary()
    yield classifier("hist-gradient-boosting-missing", ensemble.HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=5),
                     (missing(x), y, missing(asked)))
    x, y, asked = numbers()
    yield regressor("hist-gradient-boosting-regressor", ensemble.HistGradientBoostingRegressor(max_iter=6, min_samples_leaf=5),
                    (missing(x), y, missing(asked)))
    yield classifier("ada-boost", ensemble.AdaBoostClassifier(n_estimators=4, random_state=0), iris())
    yield regressor("ada-boost-regressor", ensemble.AdaBoostRegressor(n_estimators=4, random_state=0), numbers())
    yield classifier("bagging", ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=3), 4, random_state=0), iris())
    model = ensemble.IsolationForest(n_estimators=5, max_samples=20, random_state=0)
    x, _, asked = numbers()
    model.fit(x)
    yield Case("isolation-forest", model, asked, [model.predict(asked).reshape(-1, 1), model.decision_function(asked).reshape(-1, 1)])


def vectors():
    for kernel in ("linear", "poly", "rbf", "sigmoid"):
        yield classifier(f"svc-{kernel}", svm.SVC(kernel=kernel, C=0.7, coef0=0.5), iris(), scores=None)
        yield regressor(f"svr-{kernel}", svm.SVR(kernel=kernel, gamma=0.4 if kernel != "sigmoid" else 0.05), numbers())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield classifier("svc-probability", svm.SVC(probability=True, random_state=0), iris())
        yield classifier("svc-probability-binary", svm.SVC(probability=True, random_state=0, kernel="poly"), binary(("no", "yes")),
                         runtime_tolerance=1e-4)
        yield classifier("nu-svc", svm.NuSVC(nu=0.3, probability=True, random_state=0), iris())
    yield regressor("nu-svr", svm.NuSVR(nu=0.4), numbers())
    model = svm.OneClassSVM(nu=0.3, gamma=0.5)
    x, _, asked = numbers()
    model.fit(x)
    yield Case("one-class-svm", model, asked, [model.predict(asked).reshape(-1, 1), model.decision_function(asked).reshape(-1, 1)])


def others():
    yield classifier("mlp", neural_network.MLPClassifier((6, 4), max_iter=200, random_state=0), iris())
    yield classifier("mlp-tanh-binary", neural_network.MLPClassifier((5,), activation="tanh", max_iter=200, random_state=0), binary())
    yield regressor("mlp-regressor", neural_network.MLPRegressor(hidden_layer_sizes=(8,), activation="logistic", max_iter=300, random_state=0), numbers())
    yield classifier("knn", neighbors.KNeighborsClassifier(3), iris())
    # skl2onnx 1.20 leaves weights="distance" out.
    yield regressor("knn-regressor", neighbors.KNeighborsRegressor(3), numbers())
    yield classifier("gaussian-nb", naive_bayes.GaussianNB(), iris(), tolerance=1e-4)
    yield classifier("bernoulli-nb", naive_bayes.BernoulliNB(binarize=3.0), iris())
    yield classifier("multinomial-nb", naive_bayes.MultinomialNB(), counts())
    yield classifier("complement-nb", naive_bayes.ComplementNB(), counts())
    yield classifier("categorical-nb", naive_bayes.CategoricalNB(min_categories=12), counts(), dtype=np.int64)
    members = [("lr", linear_model.LogisticRegression()), ("dt", tree.DecisionTreeClassifier(max_depth=2, random_state=0))]
    yield classifier("voting-soft", ensemble.VotingClassifier(members, voting="soft", flatten_transform=False), iris())
    yield classifier("stacking", ensemble.StackingClassifier(members), iris())
    yield classifier("calibrated", calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), cv=2), binary())
    x, y, asked = numbers()
    model = ensemble.VotingRegressor([("lr", linear_model.LinearRegression()), ("dt", tree.DecisionTreeRegressor(max_depth=2))])
    yield regressor("voting-regressor", model, (x, y, asked))
    model = cluster.KMeans(3, n_init=2, random_state=0).fit(x)
    yield Case("k-means", model, asked, [model.predict(asked), model.transform(asked)])
    model = mixture.GaussianMixture(2, random_state=0).fit(x)
    yield Case("gaussian-mixture", model, asked, [model.predict(asked), model.predict_proba(asked)], tolerance=1e-4)


def transformers():
    x = ALL_IRIS[0].astype(np.float32)
    for name, model in (
            ("pca", decomposition.PCA(2)), ("truncated-svd", decomposition.TruncatedSVD(2, random_state=0)),
            ("standard-scaler", preprocessing.StandardScaler()), ("min-max-scaler", preprocessing.MinMaxScaler()),
            ("robust-scaler", preprocessing.RobustScaler()), ("max-abs-scaler", preprocessing.MaxAbsScaler()),
            ("normalizer-l1", preprocessing.Normalizer("l1")), ("normalizer-l2", preprocessing.Normalizer("l2")),
            ("normalizer-max", preprocessing.Normalizer("max")), ("binarizer", preprocessing.Binarizer(threshold=2.5)),
            ("polynomial-features", preprocessing.PolynomialFeatures(2)), ("power-transformer", preprocessing.PowerTransformer()),
            ("k-bins-ordinal", preprocessing.KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf")),
            ("k-bins-onehot", preprocessing.KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf")),
            ("variance-threshold", feature_selection.VarianceThreshold(0.5)), ("kernel-pca", decomposition.KernelPCA(2, kernel="rbf", gamma=0.1)),
            ("standard-scaler-double", preprocessing.StandardScaler())):
        yield transformer(name, model, x[::6], dtype=np.float64 if name.endswith("double") else np.float32)
    yield transformer("simple-imputer-mean", impute.SimpleImputer(), missing(x[::6]))
    yield transformer("simple-imputer-median", impute.SimpleImputer(strategy="median"), missing(x[::6]))
    yield transformer("knn-imputer", impute.KNNImputer(n_neighbors=2), missing(x[::6]))
    categories = np.array([["red", "s"], ["blue", "m"], ["red", "l"], ["grün", "s"], ["blue", "s"]])
    strings = [("X", StringTensorType([None, 2]))]
    for name, model in (("one-hot-text", preprocessing.OneHotEncoder(handle_unknown="ignore")),
                        ("ordinal-text", preprocessing.OrdinalEncoder())):
        model.fit(categories)
        asked = np.array([["blue", "s"], ["grün", "m"], ["yellow", "l"]] if "one" in name else [["blue", "s"], ["grün", "m"]], object)
        made = model.transform(asked)
        yield Case(name, model, asked, [np.asarray(made.todense()) if hasattr(made, "todense") else made], types=strings)
    integers = np.array([[1, 4], [2, 5], [1, 9], [3, 4]])
    yield transformer("one-hot-integers", preprocessing.OneHotEncoder(), integers, dtype=np.int64)
    yield transformer("ordinal-integers", preprocessing.OrdinalEncoder(), integers, dtype=np.int64)
    model = preprocessing.LabelBinarizer().fit(["a", "b", "c"])
    yield Case("label-binarizer", model, np.array(["b", "a", "c"], object), [model.transform(["b", "a", "c"])], types=[("X", StringTensorType([None]))],
               runtime_tolerance=0)  # onnxruntime has no Equal of text


def texts():
    asked = np.array([*TEXTS[:6], "an unseen fox", "cat cat cat"], object).reshape(-1, 1)
    strings = [("X", StringTensorType([None, 1]))]
    for name, model in (
            ("count-words", feature_extraction.text.CountVectorizer()), ("count-binary", feature_extraction.text.CountVectorizer(binary=True)),
            ("tfidf", feature_extraction.text.TfidfVectorizer()), ("tfidf-bigrams", feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2))),
            ("tfidf-stop-words", feature_extraction.text.TfidfVectorizer(stop_words=["the", "a"], norm=None)),
            ("tfidf-case", feature_extraction.text.TfidfVectorizer(lowercase=False, use_idf=False)),
            ("count-pattern", feature_extraction.text.CountVectorizer(token_pattern="[a-z]{2,}")),
            ("count-characters", feature_extraction.text.CountVectorizer(analyzer="char", ngram_range=(1, 2)))):
        model.fit(TEXTS)
        expected = model.transform(asked.ravel()).toarray().astype(np.float32)
        # scikit-learn's own pattern has no end of word in RE2's syntax that the converter could use.
        options = {} if model.analyzer == "char" or "pattern" in name else {"tokenexp": "[a-zA-Z0-9_][a-zA-Z0-9_]+"}
        yield Case(name, model, asked, [expected], types=strings, options=options)
    model = pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), linear_model.LogisticRegression())
    model.fit(TEXTS, ANIMALS)
    case = Case("text-pipeline", model, asked, [model.predict(asked.ravel()), model.predict_proba(asked.ravel())], types=strings,
                options={"zipmap": False})
    yield case
    yield columns()


def columns():
    """Numbers, categories and text side by side."""
    import pandas

    frame = pandas.DataFrame({
        "age": np.float32([22, 38, np.nan, 35, 54, 2, 27, 14]), "fare": np.float32([7.25, 71.3, 7.9, 53.1, 51.9, 21.1, 11.1, 30.1]),
        "sex": ["male", "female", "female", "female", "male", "male", "female", "female"], "title": TEXTS[:8]})
    y = np.array([0, 1, 1, 1, 0, 0, 1, 1])
    numeric = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    model = pipeline.make_pipeline(
        compose.ColumnTransformer([("numbers", numeric, ["age", "fare"]), ("categories", preprocessing.OneHotEncoder(), ["sex"]),
                                   ("words", feature_extraction.text.TfidfVectorizer(), "title")]),
        ensemble.RandomForestClassifier(4, max_depth=3, random_state=0))
    model.fit(frame, y)
    inputs = {"age": frame[["age"]].to_numpy(), "fare": frame[["fare"]].to_numpy(), "sex": frame[["sex"]].to_numpy().astype(object),
              "title": frame[["title"]].to_numpy().astype(object)}
    return Case("column-transformer", model, inputs, [model.predict(frame), model.predict_proba(frame)], options={"zipmap": False})


def boosters():
    import lightgbm
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats

    def lgbm(model, width):
        return lambda: onnxmltools.convert_lightgbm(model, initial_types=[("X", Floats([None, width]))], target_opset=15, zipmap=False)

    def xgb(model, width):
        return lambda: onnxmltools.convert_xgboost(model, initial_types=[("X", Floats([None, width]))], target_opset=15)

    settings = {"n_estimators": 5, "num_leaves": 6, "min_child_samples": 5, "verbose": -1, "random_state": 0}
    for kind, data in (("", iris()), ("-binary", binary())):
        x, y, asked = data
        model = lightgbm.LGBMClassifier(**settings).fit(x, y)
        yield Case(f"lightgbm{kind}", model, asked, [model.predict(asked), model.predict_proba(asked)], onnx_model=lgbm(model, 4))
        model = xgboost.XGBClassifier(n_estimators=5, max_depth=3, random_state=0).fit(x, y)
        yield Case(f"xgboost{kind}", model, asked, [model.predict(asked), model.predict_proba(asked)], onnx_model=xgb(model, 4))
    x, y, asked = numbers()
    x, asked = missing(x), missing(asked)
    model = lightgbm.LGBMRegressor(**settings).fit(x, y)
    yield Case("lightgbm-regressor", model, asked, [model.predict(asked).reshape(-1, 1)], onnx_model=lgbm(model, 3))
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, random_state=0).fit(x, y)
    yield Case("xgboost-regressor", model, asked, [model.predict(asked).reshape(-1, 1)], onnx_model=xgb(model, 3))


# Writing


def plain_attributes():
    """Let onnx take the NumPy integers that skl2onnx gives it for HistGradientBoosting."""
    make = onnx.helper.make_attribute

    def made(key, value, *rest, **more):
        if isinstance(value, list) and any(isinstance(number, np.integer) for number in value):
            value = [int(number) for number in value]
        return make(key, value, *rest, **more)

    onnx.helper.make_attribute = made


def listed(value):
    """A value as JSON has it: maps as pairs, arrays with their types."""
    if isinstance(value, list):
        return {"maps": [[[key, number] for key, number in row.items()] for row in value]}
    value = np.asarray(value)
    kind = "string" if value.dtype.kind in "OUS" else value.dtype.name
    data = value.ravel().tolist()
    if value.dtype.kind == "f":
        data = [None if np.isnan(number) else float(f"{number:.9g}") if value.dtype == np.float32 else number for number in data]
    return {"dtype": kind, "shape": list(value.shape), "data": data}


def check(case, model):
    """Throws unless onnxruntime, which the converters are tested with, agrees."""
    if not case.runtime_tolerance:
        return [output.name for output in model.graph.output]
    model = onnx.load_from_string(model.SerializeToString())
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "StringNormalizer" and attribute.name == "locale":
                attribute.s = b"C.UTF-8"  # the one that every machine has
        if node.op_type == "StringNormalizer" and not any(attribute.name == "locale" for attribute in node.attribute):
            node.attribute.append(onnx.helper.make_attribute("locale", "C.UTF-8"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, case.inputs)
    for name, got, wanted in zip((output.name for output in session.get_outputs()), found, case.expected):
        if isinstance(wanted, list):
            got, wanted = [[row[key] for key in expected] for row, expected in zip(got, wanted)], [list(row.values()) for row in wanted]
        got, wanted = np.asarray(got), np.asarray(wanted)
        if got.size != wanted.size:
            raise AssertionError(f"{case.name}: {name} has shape {got.shape}, expected {wanted.shape}")
        if wanted.dtype.kind in "OUSib":
            np.testing.assert_array_equal(got.reshape(wanted.shape), wanted, f"{case.name}: {name}")
        else:
            np.testing.assert_allclose(got.reshape(wanted.shape), wanted, case.runtime_tolerance, case.runtime_tolerance, err_msg=f"{case.name}: {name}")
    return [output.name for output in session.get_outputs()]


def main():
    """Writes the cases."""
    warnings.simplefilter("ignore")
    pattern = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    plain_attributes()
    HERE.mkdir(exist_ok=True)
    entries, failures = [], []
    for source in (linear, trees, vectors, others, transformers, texts, boosters):
        for case in source():
            if not pattern.search(case.name):
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = case.convert()
                names = check(case, model)
            except Exception as error:  # every case is tried before the script ends
                failures.append(f"{case.name}: {str(error)[:400]}")
                continue
            onnx.save(model, HERE / f"{case.name}.onnx")
            outputs = dict(zip(names, map(listed, case.expected)))
            entries.append({"name": case.name, "model": f"{case.name}.onnx", "tolerance": case.tolerance,
                            "inputs": {name: listed(value) for name, value in case.inputs.items()}, "outputs": outputs})
    for text in failures:
        print(text, file=sys.stderr)
    if not pattern.pattern and not failures:
        versions = {module.__name__: module.__version__ for module in (sklearn, skl2onnx, onnx, onnxruntime, np)}
        lines = ",\n".join(json.dumps(entry, separators=(",", ":"), ensure_ascii=False) for entry in entries)
        (HERE / "index.json").write_text(f'{{"versions":{json.dumps(versions)},"cases":[\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(entries)} cases, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
