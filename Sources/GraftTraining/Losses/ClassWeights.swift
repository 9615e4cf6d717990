import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// The factors of samples' losses, by class.
///
/// The mean divides by the number of samples, like Keras's `class_weight`, not by the sum of the
/// weights, like ONNX's and PyTorch's losses: a weight of 2 doubles the gradient of a class
/// regardless of the rest of the batch.
///
/// Source: `class_weight` of <https://keras.io/api/models/model_training_apis/#fit-method>
package struct ClassWeights: Sendable, Hashable {
  package let values: [Float]

  /// The text for weights that make all classes count equally.
  static let balanced = "balanced"

  /// - Throws: `GraftError` if a weight is negative or NaN, or all are 0
  package init(_ values: [Float]) throws {
    for (index, value) in values.enumerated() where !(value >= 0 && value.isFinite) {
      throw GraftError.usage(
        "invalid weight \(value) of class \(index)", hint: "Use weights of 0 or more")
    }
    guard values.isEmpty || values.contains(where: { $0 > 0 }) else {
      throw GraftError.usage(
        "the weights of all classes are 0",
        hint: "Use a weight above 0 for at least one class")
    }
    self.values = values
  }

  /// Weights that make all classes count equally: the number of samples, divided by the number of
  /// classes and by that of the class's samples. A class without samples gets 0.
  ///
  /// Source: `class_weight="balanced"` of scikit-learn
  package init(balancing counts: [Int]) {
    let total = Float(counts.reduce(0, +))
    values = counts.map { $0 > 0 ? total / (Float(counts.count) * Float($0)) : 0 }
  }

  /// Reads the notation of recipes: `balanced`, or `cat=1,dog=2.5`; unnamed classes have 1.
  ///
  /// - Parameters:
  ///   - classNames: may contain commas and equals signs
  ///   - labels: of all training samples
  /// - Throws: `GraftError` for an unknown class, with the nearest names, or an invalid weight
  package init(_ text: String, classNames: [String], labels: [Int]) throws {
    guard text != ClassWeights.balanced else {
      var counts = [Int](repeating: 0, count: classNames.count)
      for label in labels { counts[label] += 1 }
      self.init(balancing: counts)
      return
    }
    var weights = [Float](repeating: 1, count: classNames.count)
    for (name, value) in try ClassWeights.parse(text) {
      guard let index = classNames.firstIndex(ofName: name) else {
        throw GraftError.usage(
          "unknown class '\(name)'",
          hint: nearestNamesHint(name, among: classNames)
            ?? "The classes are \(classNames.listed())")
      }
      weights[index] = Float(value)
    }
    try self.init(weights)
  }

  /// The named weights, none if the text is `balanced`.
  ///
  /// - Throws: `GraftError` if the text has another form
  static func parse(_ text: String) throws -> [(name: String, value: Double)] {
    text == balanced ? [] : try NamedNumbers.parse(text, or: balanced)
  }

  /// The weights as a constant `[K]`.
  ///
  /// - Throws: `GraftError` if their number is not the number of classes
  func append(to graph: inout Graph, scores: ValueID) throws -> ValueID {
    try graph.inferTypes()
    if let count = graph[scores].type?.tensor?.shape?.last?.known, count != values.count {
      throw GraftError.usage("\(values.count) class weights do not match \(count) classes")
    }
    return graph.addConstant(try Tensor(values, shape: [values.count]))
  }
}
