import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import GraftTraining
import TestSupport
import Testing

/// Each optimizer's graph against what Keras did with the same gradients, step by step.
@Suite struct OptimizerTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    /// In the notation of recipes.
    let optimizer: String
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "sgd", optimizer: "sgd"),
    Case(name: "sgd_momentum", optimizer: "sgd(momentum=0.9)"),
    Case(name: "sgd_nesterov", optimizer: "sgd(momentum=0.9,nesterov)"),
    Case(name: "sgd_decay", optimizer: "sgd(momentum=0.9,weight_decay=0.01)"),
    Case(name: "adagrad", optimizer: "adagrad"),
    Case(
      name: "adagrad_settings",
      optimizer: "adagrad(initial_accumulator=0.5,epsilon=0.01,weight_decay=0.01)"),
    Case(name: "rmsprop", optimizer: "rmsprop"),
    Case(
      name: "rmsprop_momentum",
      optimizer: "rmsprop(rho=0.8,momentum=0.9,epsilon=0.001,weight_decay=0.01)"),
    Case(name: "rmsprop_centered", optimizer: "rmsprop(centered)"),
    Case(name: "rmsprop_both", optimizer: "rmsprop(momentum=0.5,centered)"),
    Case(name: "adam", optimizer: "adam"),
    Case(name: "adam_settings", optimizer: "adam(beta1=0.8,beta2=0.95,epsilon=0.001)"),
    Case(name: "adamw", optimizer: "adamw"),
    Case(name: "adamw_decay", optimizer: "adamw(weight_decay=0.1)"),
  ]

  @Test(arguments: cases) func floatsFollowKeras(_ example: Case) throws {
    let expected = try Fixtures.optimizers.numbers(example.name)
    let values = try Trajectory(example.optimizer, elementType: .float).run()
    #expect(largestDifference(values, expected) < 1e-6)
  }

  /// In double, where only the equations can differ.
  @Test(arguments: cases) func doublesFollowKeras(_ example: Case) throws {
    let expected = try Fixtures.optimizers.numbers(example.name)
    let values = try Trajectory(example.optimizer, elementType: .double).run()
    #expect(largestDifference(values, expected) < 1e-8)
  }

  /// A step of half precision is one in float, rounded.
  @Test func halfPrecisionSteps() throws {
    let values = try Trajectory("adam(epsilon=0.001)", elementType: .float16, stepCount: 3).run()
    let expected = try Trajectory("adam(epsilon=0.001)", elementType: .float, stepCount: 3).run()
    #expect(largestDifference(values, expected) < 2e-2)
  }

  /// The variance of equal gradients is 0, and rounding leaves it below that now and then.
  @Test func centeredStepsStayFinite() throws {
    var graph = Graph()
    let rate = graph.addInput(name: "rate", type: TensorType(.float, []))
    let step = graph.addInput(name: "step", type: TensorType(.int64, []))
    let slopes = (1...64).map { Float($0) * 7.3 }
    let parameter = graph.addParameter(name: "p", try Tensor(zeros: .float, shape: [64]))
    let gradient = graph.addConstant(try Tensor(slopes, shape: [64]))
    try Optimizers.named("rmsprop(centered)").appendUpdate(
      of: parameter, gradient: gradient, learningRate: rate, step: step, to: &graph)
    let session = Session(try Executable(graph))
    for number in 1...300 {
      _ = try session.run([try Tensor(scalar: Float(1e-3)), try Tensor(scalar: Int64(number))])
    }
    let values = try #require(session.executable.parameters.tensor(parameter)).doubles
    #expect(!values.contains { !$0.isFinite })
  }

  @Test func complainsAboutWhatIsNoParameter() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [2]))
    let rate = graph.addInput(name: "rate", type: TensorType(.float, []))
    let step = graph.addInput(name: "step", type: TensorType(.int64, []))
    expectError(.usage, "'x'") {
      try Optimizers.named("adam").appendUpdate(
        of: x, gradient: x, learningRate: rate, step: step, to: &graph)
    }
  }
}

/// A graph of nothing but an optimizer's step for two parameters, [2, 2] and [3], whose gradients
/// are inputs.
struct Trajectory {
  private let session: Session
  private let parameters: [ValueID]
  private let elementType: ElementType
  private let stepCount: Int

  init(
    _ optimizer: String, elementType: ElementType, stepCount: Int = 20,
    clipping: GradientClipping? = nil
  ) throws {
    let optimizer = try Optimizers.named(optimizer)
    self.elementType = elementType
    self.stepCount = stepCount
    let start = try Fixtures.optimizers.numbers("parameters")
    var graph = Graph(name: "optimizer")
    let rate = graph.addInput(name: "rate", type: TensorType(.float, []))
    let step = graph.addInput(name: "step", type: TensorType(.int64, []))
    var parameters: [ValueID] = []
    var gradients: [ValueID] = []
    for (number, tensor) in try Trajectory.split(start[...], elementType).enumerated() {
      gradients.append(
        graph.addInput(
          name: "gradient_\(number)", type: TensorType(elementType, [Dimension](tensor.shape))))
      parameters.append(graph.addParameter(name: "parameter_\(number)", tensor))
    }
    if let clipping { gradients = try clipping.append(to: &graph, gradients: gradients) }
    for (parameter, gradient) in zip(parameters, gradients) {
      try optimizer.appendUpdate(
        of: parameter, gradient: gradient, learningRate: rate, step: step, to: &graph)
    }
    session = Session(try Executable(graph))
    self.parameters = parameters
  }

  /// The parameters after each step, one after the other.
  func run() throws -> [Double] {
    let gradients = try Fixtures.optimizers.numbers("gradients")
    let rates = try Fixtures.optimizers.numbers("learning_rates")
    var trajectory: [Double] = []
    for step in 0..<stepCount {
      _ = try session.run(
        [try Tensor(scalar: Float(rates[step])), try Tensor(scalar: Int64(step + 1))]
          + Trajectory.split(gradients[(step * 7)..<(step * 7 + 7)], elementType))
      for id in parameters {
        trajectory += try #require(session.executable.parameters.tensor(id)).doubles
      }
    }
    return trajectory
  }

  private static func split(
    _ elements: ArraySlice<Double>, _ elementType: ElementType
  ) throws -> [Tensor] {
    [
      try Tensor(doubles: Array(elements.prefix(4)), as: elementType, shape: [2, 2]),
      try Tensor(doubles: Array(elements.suffix(3)), as: elementType, shape: [3]),
    ]
  }
}
