import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor
import Testing

/// Compares the gradients of a weighted sum of a graph's outputs with central differences.
struct GradientCheck {
  private let loss: Session
  private let gradients: Session
  private let inputs: [Tensor]
  /// The differentiated inputs, among `inputs`.
  private let positions: [Int]

  /// - Parameters:
  ///   - graph: takes doubles
  ///   - inputs: one for each input of the graph
  ///   - positions: which of them to differentiate by
  ///   - outputs: which outputs make up the sum
  init(_ graph: Graph, inputs: [Tensor], positions: [Int], outputs: [ValueID]) throws {
    var forward = graph
    forward.outputs = outputs
    let results = try Session(Executable(forward)).run(inputs)
    var graph = graph
    var terms: [ValueID] = []
    for (position, (output, result)) in zip(outputs, results).enumerated() {
      let weights = (0..<result.elementCount).map {
        0.5 + Double(($0 * 7 + position * 3) % 11) / 7
      }
      let weight = graph.addConstant(try Tensor(weights, shape: result.shape))
      let product = graph.addNode("Mul", [output, weight])
      terms.append(graph.addNode("ReduceSum", [product], attributes: ["keepdims": .int(0)]))
    }
    let total = graph.addNode("Sum", terms, outputName: "loss")
    graph.outputs = [total]
    loss = Session(try Executable(graph))
    let targets = positions.map { graph.inputs[$0] }
    let found = try GradientPass.append(to: &graph, loss: total, targets: targets)
    // Where no gradient arrives, it is 0, which is checked like any other.
    graph.outputs = targets.map { target in
      found[target] ?? graph.addNode("Sub", [target, target])
    }
    gradients = Session(try Executable(graph))
    self.inputs = inputs
    self.positions = positions
  }

  struct Result {
    /// Relative to the numeric gradient where that is larger than 1.
    var largestDifference = 0.0
    var elementCount = 0
    /// Elements at which the loss has no derivative.
    var kinkCount = 0
  }

  /// - Parameter limit: elements to look at, evenly spread over each input
  func result(limit: Int = .max) throws -> Result {
    let analytic = try gradients.run(inputs)
    var result = Result()
    for (position, gradient) in zip(positions, analytic) {
      #expect(gradient.shape == inputs[position].shape)
      let values = try gradient.elements(as: Double.self)
      let start = try inputs[position].elements(as: Double.self)
      guard values.count == start.count else { throw GraftError(.software, "wrong count") }
      for index in stride(from: 0, to: start.count, by: max(1, start.count / limit)) {
        result.elementCount += 1
        guard let slope = try slope(position, start, index) else {
          result.kinkCount += 1
          continue
        }
        let difference = abs(values[index] - slope) / max(1, abs(slope))
        result.largestDifference =
          difference.isNaN ? .infinity : max(result.largestDifference, difference)
      }
    }
    return result
  }

  /// The central difference; `nil` where there is none: where the differences to both sides have
  /// different limits, or grow with smaller steps.
  private func slope(_ position: Int, _ start: [Double], _ index: Int) throws -> Double? {
    let step = 1e-5 * max(1, abs(start[index])).squareRoot()
    func lossAt(_ value: Double) throws -> Double {
      var moved = start
      moved[index] = value
      var changed = inputs
      changed[position] = try Tensor(moved, shape: inputs[position].shape)
      return try loss.run(changed)[0].elements(as: Double.self)[0]
    }
    let middle = try lossAt(start[index])
    func differences(_ step: Double) throws -> (before: Double, after: Double) {
      (
        (middle - (try lossAt(start[index] - step))) / step,
        (try lossAt(start[index] + step) - middle) / step
      )
    }
    let (wide, narrow) = (try differences(step), try differences(step / 2))
    let slope = (wide.before + wide.after) / 2
    let tolerance = 1e-2 * max(1, abs(slope))
    let isSmooth =
      abs(wide.after - wide.before) <= tolerance
      && abs((narrow.before + narrow.after) / 2 - slope) <= tolerance
    return isSmooth ? slope : nil
  }
}

extension Tensor {
  /// Floats as doubles; everything else as it is.
  func widened() throws -> Tensor {
    guard elementType == .float else { return self }
    return try Tensor(elements(as: Float.self).map(Double.init), shape: shape)
  }
}

/// Inputs of operators that are float whatever the others are.
let alwaysFloatInputs: [String: Set<Int>] = ["Resize": [1, 2]]
