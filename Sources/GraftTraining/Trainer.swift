import GraftRuntime

/// Trains a classifier: one graph holds forward pass, loss, gradients and updates, and a session runs it.
package final class Trainer {
  /// What one step reported.
  package struct StepResult: Sendable {
    package var loss: Float
    /// Pictures whose largest logit was that of their class.
    package var correctCount: Int
  }

  private let executable: Executable
  private let session: Session
  /// The graph as it was given, for export.
  private let inferenceGraph: Graph

  /// - Parameters:
  ///   - graph: one input `[N, …]`, and logits `[N, classes]` as its first output; its parameters are trained
  ///   - options: threads and memory
  package init(
    _ graph: Graph, optimizer: StochasticGradientDescent,
    options: Executable.Options = Executable.Options()
  ) throws {
    guard let logits = graph.outputs.first else {
      throw GraftError.usage("the graph has no outputs to train on")
    }
    inferenceGraph = graph
    var training = graph
    let labels = training.addInput(
      name: "labels", type: TensorType(.int64, [.symbol("N")]))
    let learningRate = training.addInput(name: "learning_rate", type: TensorType(.float, []))
    let loss = training.addNode(
      "SoftmaxCrossEntropyLoss", [logits, labels], attributes: ["reduction": .string("mean")],
      outputName: "loss")
    let predicted = training.addNode(
      "ArgMax", [logits], attributes: ["axis": .int(1), "keepdims": .int(0)],
      outputName: "predicted")
    training.outputs = [loss, predicted]
    let gradients = try GradientPass.append(
      to: &training, loss: loss, targets: training.parameters.keys.sorted())
    try optimizer.append(to: &training, gradients: gradients, learningRate: learningRate)
    executable = try Executable(training, options: options)
    session = Session(executable)
  }

  /// One step: forward, backward, update.
  ///
  /// - Parameters:
  ///   - inputs: as the graph's input has it, `[N, …]`
  ///   - labels: class of each, int64 `[N]`
  package func step(inputs: Tensor, labels: Tensor, learningRate: Float) throws -> StepResult {
    let outputs = try session.run([inputs, labels, try Tensor(scalar: learningRate)])
    let loss = try outputs[0].elements(as: Float.self)[0]
    guard loss.isFinite else {
      throw GraftError(
        .badData, "the loss is \(loss)", hint: "Use a smaller learning rate or check the data")
    }
    let correct = zip(try outputs[1].integers(), try labels.integers()).count { $0 == $1 }
    return StepResult(loss: loss, correctCount: correct)
  }

  /// The graph with the trained values in it as constants, for inference and export.
  package func trainedGraph() throws -> Graph {
    var graph = inferenceGraph
    for id in graph.parameters.keys {
      // Lowering keeps the ids of parameters.
      guard let tensor = executable.parameters.tensor(id) else { continue }
      graph.constants[id] = try tensor.copied()
    }
    graph.parameters = [:]
    return graph
  }
}
