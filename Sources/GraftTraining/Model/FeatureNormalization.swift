import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// The head layer `normalization`: subtracts each feature's mean from [N, C], and divides by its
/// standard deviation.
///
/// The statistics are those of the training images, computed once before the first phase.
///
/// Source: <https://keras.io/api/layers/preprocessing_layers/numerical/normalization/>
package struct FeatureNormalization: Sendable {
  /// Marks the node, whose inputs are not trainable weights.
  private static let mark = "graft.normalization"
  /// The largest number of images for the statistics.
  static let sampleLimit = 4096

  let features: ValueID
  package let output: ValueID
  private let mean: ValueID
  private let variance: ValueID

  /// Appends the layer, which changes nothing until it is adapted.
  ///
  /// - Parameter features: `[N, C]`, with known C
  /// - Throws: `GraftError` if they are not vectors
  init(of features: ValueID, in graph: inout Graph) throws {
    guard let shape = graph[features].type?.tensor?.shape, shape.count == 2,
      let count = shape[1].known
    else {
      throw GraftError.usage(
        "'normalization' requires one vector for each image",
        hint: "Put gap, gmp or flatten before it")
    }
    func constant(_ name: String, _ value: Float) throws -> ValueID {
      graph.addConstant(
        name: "head/normalization/\(name)",
        try Tensor([Float](repeating: value, count: count), shape: [count]))
    }
    self.features = features
    let (scale, bias) = (try constant("scale", 1), try constant("bias", 0))
    mean = try constant("mean", 0)
    variance = try constant("variance", 1)
    output = graph.addNode(
      "BatchNormalization", name: "head/normalization", [features, scale, bias, mean, variance],
      attributes: ["epsilon": .float(0)], outputName: "head/normalization/output")
    graph.nodes[graph.nodes.count - 1].metadata[FeatureNormalization.mark] = "1"
    graph.nodes[graph.nodes.count - 1].metadata[TrainingForm.headMark] = "1"
  }

  static func isMarked(_ node: Node) -> Bool { node.metadata[mark] != nil }

  static func removeMark(_ node: inout Node) { node.metadata[mark] = nil }

  /// The values that ``statistics(count:_:)`` returns.
  var adapted: [ValueID] { [mean, variance] }

  /// The mean and variance of each feature. A constant feature keeps its scale.
  ///
  /// - Parameters:
  ///   - batches: the sources of the batches
  ///   - features: makes a batch, `[batch, C]`
  func statistics<Batch>(
    of batches: [Batch], features: (Batch) throws -> Tensor
  ) throws -> [ValueID: Tensor] {
    var (origin, sums, squares): ([Float], [Double], [Double]) = ([], [], [])
    var rowCount = 0
    for batch in batches {
      let batch = try features(batch)
      let values = try batch.elements(as: Float.self)
      let count = batch.shape[1]
      if origin.isEmpty {
        origin = Array(values.prefix(count))
        sums = [Double](repeating: 0, count: count)
        squares = sums
      }
      for row in 0..<batch.shape[0] {
        for column in 0..<count {
          let deviation = Double(values[row * count + column]) - Double(origin[column])
          sums[column] += deviation
          squares[column] += deviation * deviation
        }
      }
      rowCount += batch.shape[0]
    }
    let means = sums.map { $0 / Double(rowCount) }
    let variances = zip(squares, means).map { square, mean in
      max(0, square / Double(rowCount) - mean * mean)
    }
    let smallest = Double(Float.leastNormalMagnitude)
    return [
      mean: try Tensor(
        zip(origin, means).map { Float(Double($0) + $1) }, shape: [origin.count]),
      variance: try Tensor(
        variances.map { $0 < smallest ? 1 : Float($0) }, shape: [origin.count]),
    ]
  }
}

extension Graph {
  /// Folds a head's normalization into the next dense layer: W / s, and b - m / s · W.
  package mutating func foldFeatureNormalization() throws {
    guard let index = nodes.firstIndex(where: FeatureNormalization.isMarked) else { return }
    let node = nodes[index]
    guard let output = node.outputs.first ?? nil, let source = node.inputs.first ?? nil,
      let means = try constant(node.inputs[3])?.elements(as: Float.self),
      let variances = try constant(node.inputs[4])?.elements(as: Float.self)
    else { return }
    let readers = nodes.indices.filter { nodes[$0].inputs.contains(output) }
    guard let reader = readers.first, readers.count == 1, nodes[reader].is(Gemm.self),
      !outputs.contains(output), let kernelID = nodes[reader].inputs[1],
      let biasID = nodes[reader].inputs[2], let kernel = constants[kernelID],
      let bias = constants[biasID]
    else { return }
    let unitCount = kernel.shape[1]
    var weights = try kernel.elements(as: Float.self)
    var biases = try bias.elements(as: Float.self).map(Double.init)
    for row in means.indices {
      let scale = 1 / Double(variances[row]).squareRoot()
      for unit in 0..<unitCount {
        let weight = Double(weights[row * unitCount + unit]) * scale
        weights[row * unitCount + unit] = Float(weight)
        biases[unit] -= weight * Double(means[row])
      }
    }
    constants[kernelID] = try Tensor(weights, shape: kernel.shape)
    constants[biasID] = try Tensor(biases.map(Float.init), shape: bias.shape)
    nodes[reader].inputs[0] = source
    nodes.remove(at: index)
  }
}
