import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor
import GraftTraining
import TestSupport
import Testing

/// Each loss and its gradient against what Keras computed.
@Suite struct LossTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let loss: any Loss
    let targets: String
    var scores = "scores"
    var testDescription: String { name }
  }

  static func weights() throws -> ClassWeights {
    try ClassWeights(Fixtures.losses.numbers("class_weights").map { Float($0) })
  }

  static var cases: [Case] {
    get throws {
      [
        Case(name: "softmax", loss: SoftmaxCrossEntropy(), targets: "labels"),
        Case(
          name: "softmax_weights",
          loss: SoftmaxCrossEntropy(classWeights: try weights()),
          targets: "labels"),
        Case(
          name: "softmax_smoothed", loss: SoftmaxCrossEntropy(labelSmoothing: 0.1),
          targets: "labels"),
        Case(
          name: "softmax_smoothed_weights",
          loss: SoftmaxCrossEntropy(labelSmoothing: 0.1, classWeights: try weights()),
          targets: "labels"),
        Case(name: "categorical", loss: CategoricalCrossEntropy(), targets: "one_hot"),
        Case(name: "categorical_soft", loss: CategoricalCrossEntropy(), targets: "soft"),
        Case(
          name: "categorical_smoothed", loss: CategoricalCrossEntropy(labelSmoothing: 0.1),
          targets: "soft"),
        Case(
          name: "categorical_weights",
          loss: CategoricalCrossEntropy(classWeights: try weights()),
          targets: "one_hot"),
        Case(name: "binary", loss: BinaryCrossEntropy(), targets: "binary"),
        Case(
          name: "binary_weights",
          loss: BinaryCrossEntropy(
            classWeights: try ClassWeights(
              Fixtures.losses.numbers("binary_class_weights").map { Float($0) })),
          targets: "binary_labels", scores: "column"),
        Case(
          name: "binary_probabilities", loss: ProbabilityCrossEntropy(), targets: "binary",
          scores: "probabilities"),
        Case(name: "mean_squared_error", loss: MeanSquaredError(), targets: "reals"),
        Case(name: "mean_absolute_error", loss: MeanAbsoluteError(), targets: "reals"),
        Case(name: "huber", loss: HuberLoss(), targets: "reals"),
        Case(name: "huber_delta", loss: HuberLoss(delta: 0.5), targets: "reals"),
        Case(name: "poisson", loss: PoissonLoss(), targets: "counts", scores: "rates"),
        Case(name: "hinge", loss: HingeLoss(), targets: "binary"),
        Case(name: "hinge_signs", loss: HingeLoss(), targets: "signs"),
        Case(name: "squared_hinge", loss: SquaredHingeLoss(), targets: "binary"),
        Case(name: "perceptron", loss: PerceptronLoss(), targets: "signs"),
        Case(name: "perceptron", loss: PerceptronLoss(), targets: "binary"),
      ]
    }
  }

  @Test func valuesAndGradientsAreThoseOfKeras() throws {
    for example in try Self.cases {
      let scores = try Fixtures.losses.floats(example.scores)
      let isLabel = example.targets == "labels"
      let targets =
        isLabel
        ? try Fixtures.losses.tensor(example.targets)
        : try Fixtures.losses.floats(example.targets)
      let results = try Self.run(example.loss, scores, targets)
      let loss = try Fixtures.losses.numbers("\(example.name).loss")
      let found = try results.map { try $0.doubles }
      #expect(largestDifference(found[0], loss) < 1e-6, "\(example.name)")
      let gradient = try Fixtures.losses.numbers("\(example.name).gradient")
      #expect(largestDifference(found[1], gradient) < 1e-6, "\(example.name)")
    }
  }

  /// The loss and its gradient by the scores.
  static func run(_ loss: any Loss, _ scores: Tensor, _ targets: Tensor) throws -> [Tensor] {
    var graph = Graph(name: "loss")
    let classCount = scores.shape[1]
    let y = graph.addInput(
      name: "scores", type: TensorType(.float, [.symbol("N"), .known(classCount)]))
    let t = graph.addInput(name: "targets", type: loss.targetType(classCount: classCount))
    let value = try loss.append(to: &graph, scores: y, targets: t)
    let gradients = try GradientPass.append(to: &graph, loss: value, targets: [y])
    graph.outputs = [value, try #require(gradients[y])]
    return try Session(Executable(graph)).run([scores, targets])
  }

  @Test func recipesNameLosses() throws {
    for name in Losses.names {
      let found = try Losses.named(name)
      #expect(Swift.type(of: found).name == name)
    }
    let smoothed = try #require(
      try Losses.named("softmax_cross_entropy(label_smoothing=0.1)") as? SoftmaxCrossEntropy)
    #expect(smoothed.labelSmoothing == 0.1)
    let huber = try #require(try Losses.named("huber(delta=0.5)") as? HuberLoss)
    #expect(huber.delta == 0.5)
    for (text, part) in [
      ("hingo", "unknown loss 'hingo'. Did you mean 'hinge'?"),
      ("mse", "Use one of softmax_cross_entropy"),
      ("softmax", "unknown loss 'softmax'. Did you mean 'softmax_cross_entropy'?"),
      ("categorical_crossentropy", "Did you mean 'categorical_cross_entropy'"),
      ("huber(delta=1,delta=2)", "'delta' is given twice in 'huber'. Give it once"),
      ("huber,huber", "'huber,huber' is a list, not one loss. Use one"),
    ] {
      expectError(.usage, part) { try Losses.named(text) }
    }
    for text in ["hinge(delta=1)", "huber(delta=0)", "softmax_cross_entropy(label_smoothing=1)"] {
      expectError(.usage, when: text) { try Losses.named(text) }
    }
  }

  @Test func wrongSettingsAreErrors() throws {
    let scores = try Fixtures.losses.floats("scores")
    let labels = try Fixtures.losses.tensor("labels")
    expectError(.usage, "label smoothing", "1.0") {
      try Self.run(SoftmaxCrossEntropy(labelSmoothing: 1), scores, labels)
    }
    expectError(.usage, "2 class weights") {
      let weights = try ClassWeights([1, 2])
      _ = try Self.run(
        SoftmaxCrossEntropy(classWeights: weights), scores, labels)
    }
    expectError(.usage, "delta", "0.0") { try Self.run(HuberLoss(delta: 0), scores, scores) }
    expectError(.usage, "class 1", "-1.0") { try ClassWeights([1, -1]) }
    expectError(.usage, "class 1", "nan") { try ClassWeights([1, .nan]) }
    expectError(.usage, "weights of all classes") { try ClassWeights([0, 0]) }
  }

  @Test func recipesNameClassWeights() throws {
    let names = ["cat", "a, b", "x=y"]
    func weights(_ text: String) throws -> [Float] {
      try ClassWeights(text, classNames: names, labels: [0, 0, 1, 2]).values
    }
    #expect(try weights("cat=2") == [2, 1, 1])
    #expect(try weights("cat=0, x=y=0") == [0, 1, 0])
    #expect(try weights("a, b=0.5, x=y=3") == [1, 0.5, 3])
    #expect(try weights("balanced") == ClassWeights(balancing: [2, 1, 1]).values)
    let error = #expect(throws: GraftError.self) { try weights("cats=2") }
    #expect(error?.hint?.contains("cat") == true)
    let zeros = ["cat=0,a, b=0,x=y=0", "cat=0,a, b=1e-60,x=y=0"]
    for text in ["cat", "cat=", "=1", "cat=-1", "cat=nan", "cat=1,cat=2", "", "cat=1,"] + zeros {
      expectError(.usage, when: text) { try weights(text) }
    }
    for (text, part) in [
      ("balancd", "invalid value 'balancd'. Did you mean 'balanced'?"),
      ("2", "invalid value '2'. Use balanced, or NAME=NUMBER, separated by commas"),
      ("cat=1,cat=2", "'cat' is named twice. Name it once"), ("cat=0x1p3", "'cat=0x1p3'"),
      ("cat=1e-400", "'1e-400' for 'cat': it is too close to 0"),
      ("cats=2", "unknown class 'cats'. Did you mean 'cat'?"),
    ] {
      expectError(.usage, part) { try weights(text) }
    }
    // A single score takes two weights, and several scores take none.
    let scores = try Fixtures.losses.floats("scores")
    expectError(.usage, "2 class weights") {
      let loss = BinaryCrossEntropy(classWeights: try ClassWeights([1, 2]))
      _ = try Self.run(loss, scores, Fixtures.losses.floats("binary"))
    }
  }

  /// A letter with its accent, and both in one, look the same: they name the same class.
  @Test func equivalentNamesAreOne() throws {
    let (one, two) = ("caf\u{e9}", "cafe\u{301}")
    for name in [one, two] {
      #expect(
        try ClassWeights("\(two)=3", classNames: [name, "tea"], labels: [0, 1]).values == [3, 1])
    }
    expectError(.usage, "is named twice") {
      try ClassWeights("\(one)=1,\(two)=2", classNames: [one, "tea"], labels: [0, 1])
    }
  }

  @Test func balancedWeightsMakeClassesCountAlike() {
    // scikit-learn: compute_class_weight("balanced") of 6, 3 and 1 samples
    let expected: [Float] = [0.5555556, 1.1111112, 3.3333333]
    #expect(ClassWeights(balancing: [6, 3, 1]).values == expected)
    let halves: [Float] = [0.5, 0]
    #expect(ClassWeights(balancing: [2, 0]).values == halves)
  }

  @Test func labelsOutOfRangeAreErrors() throws {
    let scores = try Fixtures.losses.floats("scores")
    let labels = try Tensor([Int64](repeating: 4, count: 6), shape: [6])
    expectError(.badData, "4") { try Self.run(SoftmaxCrossEntropy(), scores, labels) }
  }
}
