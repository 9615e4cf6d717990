import CTestSupport
import GraftData
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import GraftTraining
import TestSupport
import Testing

@Suite struct TrainerTests {
  /// Steps in which the gradients are the targets, against Keras's trajectories.
  @Test(
    arguments: [
      ("sgd_momentum", 1, nil), ("clip_value", 1, .value(0.5)), ("clip_norm", 1, .norm(1)),
      ("clip_global_norm", 1, .globalNorm(1.5)),
    ] as [(String, Int, GradientClipping?)])
  func clippedStepsFollowKeras(_ name: String, _ steps: Int, _ clipping: GradientClipping?) throws {
    var settings = Trainer.Settings(
      loss: GivenGradient(), optimizer: try Optimizers.named("sgd(momentum=0.9)"))
    settings.clipping = clipping
    try expectTrajectory(name, settings)
  }

  @Test func accumulatedStepsFollowKeras() throws {
    var settings = Trainer.Settings(loss: GivenGradient(), optimizer: try Optimizers.named("adam"))
    settings.accumulation = try AccumulationGroups(of: 4)
    try expectTrajectory("accumulation", settings)
    settings.optimizer = try Optimizers.named("adamw(weight_decay=0.1)")
    settings.accumulation = try AccumulationGroups(of: 3)
    settings.clipping = .globalNorm(0.6)
    try expectTrajectory("accumulation_clipped", settings)
  }

  private func expectTrajectory(_ name: String, _ settings: Trainer.Settings) throws {
    let graph = try GivenGradient.graph()
    let trainer = try Trainer(graph, settings: settings)
    let gradients = try Fixtures.optimizers.numbers("gradients")
    let rates = try Fixtures.optimizers.numbers("learning_rates")
    var trajectory: [Double] = []
    for step in 0..<20 {
      let gradient = gradients[(step * 7)..<(step * 7 + 7)].map { Float($0) }
      _ = try trainer.step(
        inputs: [try Tensor([Float(1)], shape: [1, 1])],
        targets: try Tensor(gradient, shape: [1, 7]), learningRate: Float(rates[step]),
        step: step + 1)
      for id in graph.parameters.keys.sorted() {
        trajectory += try #require(trainer.parameters.tensor(id)).doubles
      }
    }
    let expected = try Fixtures.optimizers.numbers(name)
    #expect(largestDifference(trajectory, expected) < 1e-6)
  }

  /// A parameter with the factor ½ moves half as far.
  @Test(arguments: [1, 2]) func learningRateFactorsScaleSteps(accumulationSteps: Int) throws {
    let graph = try GivenGradient.graph()
    let ids = graph.parameters.keys.sorted()
    var settings = Trainer.Settings(
      loss: GivenGradient(), optimizer: try Optimizers.named("sgd"))
    settings.learningRateFactors = [ids[1]: 0.5]
    settings.accumulation = try AccumulationGroups(of: accumulationSteps)
    let trainer = try Trainer(graph, settings: settings)
    for step in 1...accumulationSteps {
      _ = try trainer.step(
        inputs: [try Tensor([Float(1)], shape: [1, 1])],
        targets: try Tensor([Float](repeating: 1, count: 7), shape: [1, 7]), learningRate: 0.25,
        step: step)
    }
    for (id, move) in zip(ids, [0.25, 0.125]) {
      let before = try #require(graph.parameters[id]).doubles
      let after = try #require(trainer.parameters.tensor(id)).doubles
      #expect(largestDifference(after, before.map { $0 - move }) < 1e-6)
    }
  }

  /// Parameters and their state change in place, and only one gradient is stored at a time.
  @Test(
    arguments: ["adam", "sgd(momentum=0.9)", "rmsprop"])
  func stepsTakeTheMemoryOfOneGradient(_ optimizer: String) throws {
    var random = SeededGenerator(seed: 7)
    var graph = Graph(name: "network")
    var value = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 512]))
    for index in 0..<4 {
      let numbers = (0..<512 * 512).map { _ in Float(random.nextUnit() - 0.5) / 16 }
      let weights = graph.addParameter(
        name: "weights_\(index)", try Tensor(numbers, shape: [512, 512]))
      value = graph.addNode("Relu", [graph.addNode("MatMul", [value, weights])])
    }
    graph.outputs = [value]
    let trainer = try Trainer(
      graph,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named(optimizer)))
    _ = try trainer.step(
      inputs: [try Tensor([Float](repeating: 1, count: 1024), shape: [2, 512])],
      targets: try Tensor([Int64(3), 5], shape: [2]), learningRate: 0.01, step: 1)
    let gradient = 512 * 512 * MemoryLayout<Float>.size
    #expect(trainer.arenaByteCount >= gradient)
    // With what little there is besides: activations, and kernels' own memory.
    #expect(trainer.arenaByteCount < gradient * 7 / 4, "\(trainer.arenaByteCount)")
  }

  /// Forward pass, backward pass and update on this thread, which also does the workers' part.
  @Test(arguments: [(1, 1), (2, 1), (1, 2)] as [(threads: Int, accumulationSteps: Int)])
  func stepsAllocateNothing(threads: Int, accumulationSteps: Int) throws {
    var settings = Trainer.Settings(
      loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("adam"))
    settings.clipping = .globalNorm(1)
    settings.accumulation = try AccumulationGroups(of: accumulationSteps)
    settings.options.threadCount = threads
    let trainer = try Trainer(Network.convolutions(), settings: settings)
    var random = SeededGenerator(seed: 2)
    let images = (0..<6 * 3 * 16 * 16).map { _ in Float(random.nextUnit()) }
    let inputs = [try Tensor(images, shape: [6, 3, 16, 16])]
    let labels = try Tensor([Int64(0), 1, 2, 3, 4, 0], shape: [6])
    var step = 0
    func run(_ count: Int) throws {
      for _ in 0..<count {
        step += 1
        _ = try trainer.step(inputs: inputs, targets: labels, learningRate: 1e-3, step: step)
      }
    }
    try run(6)
    let before = allocation_counter_thread_count()
    try run(10)
    #expect(allocation_counter_thread_count() == before)
  }

  /// Two halves of a batch, accumulated, train as the whole does.
  @Test func accumulationIsTrainingOnLargerBatches() throws {
    let graph = try Network.graph()
    var settings = Trainer.Settings(
      loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("adam"))
    settings.clipping = .globalNorm(0.5)
    let whole = try Trainer(graph, settings: settings)
    settings.accumulation = try AccumulationGroups(of: 2)
    let halves = try Trainer(graph, settings: settings)
    for step in 1...5 {
      let (x, labels) = try Network.batch(seed: UInt64(step))
      _ = try whole.step(inputs: [x], targets: labels, learningRate: 0.01, step: step)
      let images: [Float] = try x.elements()
      let classes: [Int64] = try labels.elements()
      for half in 0..<2 {
        _ = try halves.step(
          inputs: [
            try Tensor(Array(images[(half * 160)..<(half * 160 + 160)]), shape: [8, 20])
          ],
          targets: try Tensor(Array(classes[(half * 8)..<(half * 8 + 8)]), shape: [8]),
          learningRate: 0.01, step: 2 * step - 1 + half)
      }
    }
    for id in graph.parameters.keys {
      let expected = try #require(whole.parameters.tensor(id)).doubles
      let found = try #require(halves.parameters.tensor(id)).doubles
      #expect(largestDifference(found, expected) < 1e-5)
    }
  }

  /// The bits of a training do not depend on the number of threads.
  @Test func threadsDoNotChangeTheBits() throws {
    func train(threads: Int) throws -> [[Float]] {
      let graph = try Network.graph()
      var settings = Trainer.Settings(
        loss: SoftmaxCrossEntropy(labelSmoothing: 0.1), optimizer: try Optimizers.named("adamw"))
      settings.clipping = .globalNorm(0.5)
      settings.options.threadCount = threads
      let trainer = try Trainer(graph, settings: settings)
      for step in 1...5 {
        let (x, labels) = try Network.batch(seed: UInt64(step))
        _ = try trainer.step(inputs: [x], targets: labels, learningRate: 0.01, step: step)
      }
      return try graph.parameters.keys.sorted().map {
        try #require(trainer.parameters.tensor($0)).elements()
      }
    }
    let expected = try train(threads: 1)
    for threads in [2, 4] {
      let found = try train(threads: threads)
      #expect(found == expected)
    }
  }

  @Test func trainingMakesTheLossSmaller() throws {
    let graph = try Network.graph()
    let trainer = try Trainer(
      graph,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("rmsprop")))
    let (x, labels) = try Network.batch(seed: 1)
    var losses: [Float] = []
    for step in 1...60 {
      losses.append(
        try trainer.step(inputs: [x], targets: labels, learningRate: 0.01, step: step).loss)
    }
    #expect(losses[59] < losses[0] / 20, "\(losses[0]) to \(losses[59])")
  }

  @Test func wrongSettingsAreErrors() throws {
    let graph = try Network.graph()
    for clipping in [GradientClipping.value(0), .norm(-1), .globalNorm(.nan)] {
      var settings = Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("adam"))
      settings.clipping = clipping
      expectError(.usage, "clipped to") { try Trainer(graph, settings: settings) }
    }
    expectError(.usage, "0 steps") { try AccumulationGroups(of: 0) }
  }

  /// With a norm that is not finite, no weight stays finite: the step must not seem harmless.
  @Test func globalNormSpreadsWhatIsNotFinite() throws {
    var graph = Graph()
    let inputs = (0..<2).map {
      graph.addInput(name: "gradient_\($0)", type: TensorType(.float, [2]))
    }
    graph.outputs = try GradientClipping.globalNorm(1).append(to: &graph, gradients: inputs)
    let session = Session(try Executable(graph))
    let finite = try Tensor([Float(3), 4], shape: [2])
    let infinite = try Tensor([Float.infinity, 0], shape: [2])
    for output in try session.run([finite, infinite]) {
      let elements = try output.elements(as: Float.self)
      #expect(!elements.contains { !$0.isNaN })
    }
  }
}

/// A loss whose gradient by the scores is the targets.
private struct GivenGradient: Loss {
  static let name = "given_gradient"

  func targetType(classCount: Int) -> TensorType { TensorType(.float, [1, .known(classCount)]) }

  func append(to graph: inout Graph, scores: ValueID, targets: ValueID) throws -> ValueID {
    let products = graph.addNode("Mul", [scores, targets])
    return graph.addNode("ReduceSum", [products], attributes: ["keepdims": .int(0)])
  }

  /// Scores that are the parameters, [2, 2] and [3], times the input, [1, 1].
  static func graph() throws -> Graph {
    var graph = Graph(name: "given")
    let start = try Fixtures.optimizers.numbers("parameters").map { Float($0) }
    let x = graph.addInput(name: "x", type: TensorType(.float, [1, 1]))
    let matrix = graph.addParameter(
      name: "matrix", try Tensor(Array(start.prefix(4)), shape: [2, 2]))
    let vector = graph.addParameter(name: "vector", try Tensor(Array(start.suffix(3)), shape: [3]))
    let row = graph.addConstant(try Tensor([Int64(1), -1], shape: [2]))
    let rows = [matrix, vector].map { graph.addNode("Reshape", [$0, row]) }
    let both = graph.addNode("Concat", rows, attributes: ["axis": .int(1)])
    graph.outputs = [graph.addNode("Mul", [both, x])]
    return graph
  }
}

/// A small perceptron with seeded weights: [N, 20] to [N, 5] over 300 hidden units.
enum Network {
  static func graph() throws -> Graph {
    var random = SeededGenerator(seed: 7)
    func numbers(_ shape: Shape, _ scale: Double) throws -> Tensor {
      let count = shape.elementCount
      return try Tensor(
        (0..<count).map { _ in Float((random.nextUnit() - 0.5) * scale) }, shape: shape)
    }
    var graph = Graph(name: "network")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 20]))
    let first = graph.addParameter(name: "first", try numbers([20, 300], 0.5))
    let bias = graph.addParameter(name: "bias", try numbers([300], 0.1))
    let second = graph.addParameter(name: "second", try numbers([300, 5], 0.2))
    let hidden = graph.addNode("Relu", [graph.addNode("Gemm", [x, first, bias])])
    graph.outputs = [graph.addNode("MatMul", [hidden, second])]
    return graph
  }

  /// Two convolutions with normalization and pooling: [N, 3, 16, 16] to [N, 5].
  static func convolutions() throws -> Graph {
    var random = SeededGenerator(seed: 5)
    var graph = Graph(name: "convolutions")
    func parameter(_ name: String, _ shape: Shape) throws -> ValueID {
      let numbers = (0..<shape.elementCount).map { _ in Float(random.nextUnit() - 0.4) / 4 }
      return graph.addParameter(name: name, try Tensor(numbers, shape: shape))
    }
    var value = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 3, 16, 16]))
    for (index, (input, output)) in [(3, 16), (16, 32)].enumerated() {
      value = graph.addNode(
        "Conv", [value, try parameter("kernel_\(index)", [output, input, 3, 3])],
        attributes: ["pads": .ints([1, 1, 1, 1])])
      let statistics = try ["mean": 0, "variance": 1].sorted { $0.key < $1.key }.map {
        graph.addConstant(
          name: "\($0.key)_\(index)",
          try Tensor([Float](repeating: $0.value, count: output), shape: [output]))
      }
      value = graph.addNode(
        "BatchNormalization",
        [
          value, try parameter("scale_\(index)", [output]),
          try parameter("shift_\(index)", [output]),
        ] + statistics)
      value = graph.addNode("Relu", [value])
      value = graph.addNode(
        "MaxPool", [value], attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    }
    value = graph.addNode("Flatten", [graph.addNode("GlobalAveragePool", [value])])
    graph.outputs = [
      graph.addNode("Gemm", [value, try parameter("dense", [32, 5]), try parameter("bias", [5])])
    ]
    return graph
  }

  /// 16 samples.
  static func batch(seed: UInt64) throws -> (Tensor, Tensor) {
    var random = SeededGenerator(seed: seed)
    let x = (0..<320).map { _ in Float(random.nextUnit() * 2 - 1) }
    let labels = (0..<16).map { _ in Int64(random.next() % 5) }
    return (try Tensor(x, shape: [16, 20]), try Tensor(labels, shape: [16]))
  }
}
