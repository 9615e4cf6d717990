import GraftOperators
import GraftFiles
import GraftGraph
import GraftTensor

/// What the losses of samples are multiplied by, for each class.
///
/// The mean divides by the number of samples, as Keras's `class_weight` does, and not by the sum of the weights, as
/// ONNX's losses and PyTorch's do: a weight of 2 doubles the gradient of a class whatever else is in the batch.
///
/// Source: `class_weight` of <https://keras.io/api/models/model_training_apis/#fit-method>
package struct ClassWeights: Sendable, Hashable {
  package let values: [Float]

  /// - Throws: `GraftError` if a weight is negative or no number, or all are 0, so that nothing would be trained.
  package init(_ values: [Float]) throws {
    for (index, value) in values.enumerated() where !(value >= 0 && value.isFinite) {
      throw GraftError.usage(
        "the weight of class \(index) is \(value)", hint: "Use weights of 0 and above")
    }
    guard values.isEmpty || values.contains(where: { $0 > 0 }) else {
      throw GraftError.usage(
        "the weights of all classes are 0, and nothing would be trained",
        hint: "Give one class a weight above 0")
    }
    self.values = values
  }

  /// Weights at which all classes count alike: the number of samples, divided by the number of classes and that of
  /// the samples of a class. A class without samples gets 0.
  ///
  /// Source: `class_weight="balanced"` of scikit-learn
  package init(balancing counts: [Int]) {
    let total = Float(counts.reduce(0, +))
    values = counts.map { $0 > 0 ? total / (Float(counts.count) * Float($0)) : 0 }
  }

  /// As recipes write them: `balanced`, or `cat=1,dog=2.5`, where classes that are not named have 1.
  ///
  /// - Parameters:
  ///   - classNames: may contain commas and equals signs
  ///   - labels: of all samples to train on
  /// - Throws: `GraftError` for a class that there is not, with the nearest names, or an impossible weight.
  package init(_ text: String, classNames: [String], labels: [Int]) throws {
    guard text != "balanced" else {
      var counts = [Int](repeating: 0, count: classNames.count)
      for label in labels { counts[label] += 1 }
      self.init(balancing: counts)
      return
    }
    var weights = [Float](repeating: 1, count: classNames.count)
    for (name, value) in try NamedNumbers.parse(text, "class_weights") {
      guard let index = classNames.firstIndex(ofName: name) else {
        throw GraftError.usage(
          "class_weights: there is no class '\(name)'",
          hint: nearestNamesHint(name, among: classNames))
      }
      weights[index] = Float(value)
    }
    try self.init(weights)
  }

  /// The weights as a constant `[K]`.
  ///
  /// - Throws: `GraftError` if their number is not that of the scores' classes.
  func append(to graph: inout Graph, scores: ValueID) throws -> ValueID {
    try graph.inferTypes()
    if let count = graph[scores].type?.tensor?.shape?.last?.known, count != values.count {
      throw GraftError.usage("\(values.count) class weights were given for \(count) classes")
    }
    return graph.addConstant(try Tensor(values, shape: [values.count]))
  }
}
