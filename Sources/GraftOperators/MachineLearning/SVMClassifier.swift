import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A support vector machine for each pair of classes, or a linear one for each class: `[N, F]` →
/// labels `[N]`, scores `[N, E]`.
///
/// The class with most votes of pairs wins, as in libsvm. With `prob_a` and `prob_b`, E scores are
/// probabilities of the classes. Without them, the scores are those of the pairs, as in the other
/// runtimes; the specification speaks of one for each class. The single pair of two classes makes
/// two scores, -s and s.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html>
struct SVMClassifier: Operator {
  static let schema = OperatorSchema(
    "SVMClassifier", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1,
    outputs: 2...2)

  private let labels: ClassLabels
  private let vectors: SupportVectors
  /// The support vectors of each class; empty for linear machines.
  private let ranges: [Range<Int>]
  /// `[classes - 1, support vectors]`: how each class's vectors count against the others.
  private let coefficients: [Float]
  private let rho: [Float]
  /// Two numbers for each pair, or none.
  private let probabilityA: [Float]
  private let probabilityB: [Float]
  private let postTransform: PostTransform

  init(_ attributes: AttributeReader) throws {
    labels = try ClassLabels(
      attributes, integers: "classlabels_ints", strings: "classlabels_strings")
    postTransform = try PostTransform(attributes)
    let coefficients = try attributes.floats("coefficients") ?? []
    rho = try attributes.floats("rho") ?? []
    var ranges: [Range<Int>] = []
    for count in try attributes.ints("vectors_per_class") ?? [] {
      let start = ranges.last?.upperBound ?? 0
      guard count >= 0, count <= coefficients.count else {
        throw GraftError.badData("'vectors_per_class' has the invalid number \(count)")
      }
      ranges.append(start..<start + count)
    }
    let vectorCount = ranges.last?.upperBound ?? 0
    self.ranges = vectorCount == 0 ? [] : ranges
    vectors = try SupportVectors(
      attributes, count: vectorCount, coefficients: coefficients, scoreCount: labels.count)
    guard vectorCount > 0 else {
      self.coefficients = []
      probabilityA = []
      probabilityB = []
      guard !rho.isEmpty else { throw GraftError.badData("'rho' is missing") }
      return
    }
    self.coefficients = coefficients
    guard ranges.count == labels.count else {
      throw GraftError.badData("has \(labels.count) labels, but vectors of \(ranges.count) classes")
    }
    probabilityA = try attributes.floats("prob_a") ?? []
    probabilityB = try attributes.floats("prob_b") ?? []
    let (needed, overflow) = vectorCount.multipliedReportingOverflow(by: ranges.count - 1)
    guard !overflow, coefficients.count == needed else {
      throw GraftError.badData(
        "has \(coefficients.count) coefficients for \(vectorCount) support vectors of "
          + "\(ranges.count) classes")
    }
    guard rho.count == pairCount else {
      throw GraftError.badData("'rho' has \(rho.count) numbers for \(pairCount) pairs of classes")
    }
    guard probabilityA.isEmpty || probabilityA.count == pairCount,
      probabilityB.count == probabilityA.count
    else {
      throw GraftError.badData(
        "'prob_a' and 'prob_b' have \(probabilityA.count) and \(probabilityB.count) numbers for "
          + "\(pairCount) pairs of classes")
    }
  }

  private var classCount: Int { labels.count }
  private var pairCount: Int { classCount * (classCount - 1) / 2 }

  /// The number of scores of a row.
  private var scoreCount: Int {
    if ranges.isEmpty || !probabilityA.isEmpty { return classCount }
    return classCount == 2 ? 2 : pairCount
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setClassifierOutputs(labels, rows: .unknown, scoreCount: .known(scoreCount))
    try context.require(0, .features)
    let rows = try context.featureRows()
    try rows.features.requireFeatures(vectors.featureCount)
    context.setClassifierOutputs(labels, rows: rows.count, scoreCount: .known(scoreCount))
  }

  /// Scratch memory of a worker, in doubles: a row, its kernels, its pairs, votes or scores, and
  /// what the probabilities need.
  private struct Scratch {
    let kernels: UnsafeMutableBufferPointer<Double>
    let pairs: UnsafeMutableBufferPointer<Double>
    let classes: UnsafeMutableBufferPointer<Double>
    let form: UnsafeMutableBufferPointer<Double>
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let rows = try FeatureRows(context.input(0))
    let operation = self
    let instructionSet = context.instructionSet
    let formCount =
      probabilityA.isEmpty ? 0 : PairwiseProbabilities(classCount: classCount).scratchCount
    let pairCount = max(pairCount, 2)
    let sizes = [rows.featureCount, vectors.count, pairCount, classCount, formCount]
    let scratchCount = sizes.reduce(0, +)
    let classCount = classCount
    let scoreCount = scoreCount
    let kernel = PreparedKernel.parallel(
      count: rows.count, grain: max(1, (1 << 15) / vectors.vectors.count),
      workerScratchByteCount: scratchCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let base = arguments.workerScratch?.assumingMemoryBound(to: Double.self) else { return }
      var next = base + rows.featureCount
      func part(_ count: Int) -> UnsafeMutableBufferPointer<Double> {
        defer { next += count }
        return UnsafeMutableBufferPointer(start: next, count: count)
      }
      let scratch = Scratch(
        kernels: part(operation.vectors.count), pairs: part(pairCount), classes: part(classCount),
        form: part(formCount))
      let numbers = arguments.output(0, as: Int64.self)
      let output = arguments.optionalOutput(1, as: Float.self)
      for index in range {
        let row = try rows.row(index, arguments, scratch: base)
        operation.vectors.write(row, to: scratch.kernels, instructionSet)
        let (winner, scores) = operation.scores(scratch)
        numbers[index] = Int64(winner)
        guard let output else { continue }
        operation.postTransform.apply(scores)
        for (place, score) in scores.enumerated() {
          output[index * scoreCount + place] = Float(score)
        }
      }
    }
    return try context.labelling(labels, kernel)
  }

  /// The number of the winning class, and the scores before they are transformed.
  private func scores(
    _ scratch: Scratch
  ) -> (winner: Int, scores: UnsafeMutableBufferPointer<Double>) {
    let classes = scratch.classes
    guard !ranges.isEmpty else {
      // The coefficients of each class were its vector.
      for index in classes.indices { classes[index] = scratch.kernels[index] + Double(rho[0]) }
      return (classes.indexOfLargest, classes)
    }
    let pairs = UnsafeMutableBufferPointer(rebasing: scratch.pairs[..<pairCount])
    classes.update(repeating: 0)
    var pair = 0
    for first in 0..<classCount {
      for second in first + 1..<max(classCount, first + 1) {
        let score =
          Double(rho[pair]) + sum(scratch.kernels, of: first, against: second - 1)
          + sum(scratch.kernels, of: second, against: first)
        classes[score > 0 ? first : second] += 1
        pairs[pair] = score
        pair += 1
      }
    }
    let winner = classes.indexOfLargest
    if !probabilityA.isEmpty {
      for pair in pairs.indices {
        let probability = PostTransform.logistic(
          -(pairs[pair] * Double(probabilityA[pair]) + Double(probabilityB[pair])))
        pairs[pair] = min(max(probability, 1e-7), 1 - 1e-7)
      }
      PairwiseProbabilities(classCount: classCount).solve(pairs, to: classes, scratch: scratch.form)
      return (winner, classes)
    }
    guard classCount == 2 else { return (winner, pairs) }
    (scratch.pairs[0], scratch.pairs[1]) = postTransform.bothClasses(pairs[0], isProbability: false)
    return (winner, UnsafeMutableBufferPointer(rebasing: scratch.pairs[..<2]))
  }

  /// The weighted kernels of a class's vectors.
  private func sum(
    _ kernels: UnsafeMutableBufferPointer<Double>, of number: Int, against row: Int
  ) -> Double {
    ranges[number].reduce(0.0) {
      $0 + Double(coefficients[row * vectors.count + $1]) * kernels[$1]
    }
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([-1, 0.5, 1, 2], [2, 2])
    let radial: [ByteString: Attribute] = [
      "kernel_type": .string("RBF"), "kernel_params": .floats([0.5, 0, 3]),
    ]
    let two: [ByteString: Attribute] = [
      "support_vectors": .floats([0, 1, 1, 1]), "vectors_per_class": .ints([1, 1]),
      "coefficients": .floats([0.7, -0.7]), "rho": .floats([0.1]),
      "classlabels_ints": .ints([4, 7]),
    ]
    let three: [ByteString: Attribute] = [
      "support_vectors": .floats([0, 1, 1, 1, 2, 2]), "vectors_per_class": .ints([1, 1, 1]),
      "coefficients": .floats([0.7, -0.7, 0.2, 0.3, -0.3, 0.1]),
      "rho": .floats([0.1, 0.2, 0.3]), "classlabels_strings": .strings(["a", "b", "c"]),
    ]
    return [
      OperatorExample(
        "two classes", attributes: radial.merging(two) { $1 }, inputs: [x],
        outputs: [
          .integers([4, 7], [2]), .floats([-0.3910799, 0.3910799, 0.0670559, -0.0670559], [2, 2]),
        ]),
      OperatorExample(
        "probabilities of two classes",
        attributes: radial.merging(two) { $1 }.merging([
          "prob_a": .floats([-1]), "prob_b": .floats([0.2]),
        ]) { $1 }, inputs: [x],
        outputs: [
          .integers([4, 7], [2]), .floats([0.5475886, 0.4524114, 0.4334599, 0.5665401], [2, 2]),
        ]),
      OperatorExample(
        "three classes, in pairs", attributes: radial.merging(three) { $1 }, inputs: [x],
        outputs: [
          .strings(["a", "b"], [2]),
          .floats(
            [0.3910799, 0.3612997, 0.2645308, -0.0670559, 0.4316699, 0.1786939], [2, 3]),
        ]),
      OperatorExample(
        "probabilities of three classes",
        attributes: radial.merging(three) { $1 }.merging([
          "prob_a": .floats([-1, -2, -1]), "prob_b": .floats([0.2, 0.1, 0]),
        ]) { $1 }, inputs: [x],
        outputs: [
          .strings(["a", "b"], [2]),
          .floats(
            [0.4244918, 0.3348338, 0.2406745, 0.3662428, 0.3935579, 0.2401994], [2, 3]),
        ]),
      OperatorExample(
        "linear, three classes, logistic",
        attributes: [
          "coefficients": .floats([1, 0.5, -0.3, 0.2, 0.1, 0.1]), "rho": .floats([0.1, 0.2, 0.3]),
          "classlabels_ints": .ints([4, 7, 9]), "post_transform": .string("LOGISTIC"),
        ], inputs: [x],
        outputs: [
          .integers([7, 4], [2]),
          .floats([0.3429895, 0.6224594, 0.5124974, 0.8909032, 0.5498340, 0.5986877], [2, 3]),
        ]),
    ]
  }
}
