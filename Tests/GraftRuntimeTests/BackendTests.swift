import Dispatch
import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor
import Synchronization
import TestSupport
import Testing

/// A back end that this target adds: one operator with its own domain, and the pass that uses it.
@Suite(.serialized) struct BackendTests {
  /// max(x, 0), which counts how often its kernel is made.
  private struct Rectify: Operator {
    static let schema = OperatorSchema("Rectify", domain: "test", since: [1], inputs: 1...1)
    static let preparedCount = Atomic(0)

    init(_ attributes: AttributeReader) throws {}

    func infer(_ context: inout InferenceContext) throws {
      try context.require(0, [.float])
      context.setOutput(0, .float, try context.shape(0))
    }

    func prepare(_ context: PrepareContext) throws -> PreparedKernel {
      Rectify.preparedCount.wrappingAdd(1, ordering: .relaxed)
      let count = try context.output(0).elementCount
      return .single { arguments in
        let x = arguments.input(0, as: Float.self)
        let y = arguments.output(0, as: Float.self)
        for index in 0..<count { y[index] = max(x[index], 0) }
      }
    }

    static var examples: [OperatorExample] { [] }
  }

  private enum Rectification: GraphPass {
    static func run(_ graph: inout Graph) throws -> Bool {
      let places = graph.nodes.indices.filter { graph.nodes[$0].operatorType == "Relu" }
      for index in places {
        graph.nodes[index].operatorType = Rectify.schema.name
        graph.nodes[index].domain = Rectify.schema.domain
      }
      return !places.isEmpty
    }
  }

  private static let backend = Backend(
    name: "test", operators: [Rectify.self], finishingPasses: [Rectification.self])

  private func executable(
    _ backend: Backend, memoryLimit: Int? = nil
  ) throws -> Executable {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 2]))
    graph.outputs = [graph.addNode("Neg", [graph.addNode("Relu", [x])], outputName: "y")]
    var options = Executable.Options()
    options.backend = backend
    options.memoryLimit = memoryLimit
    return try Executable(graph, options: options)
  }

  private func input(_ count: Int) throws -> Tensor {
    try Tensor((0..<2 * count).map { Float($0) - 2.5 }, shape: [count, 2])
  }

  /// How many kernels `body` has made.
  private func preparedCount(_ body: () throws -> Void) rethrows -> Int {
    let before = Rectify.preparedCount.load(ordering: .relaxed)
    try body()
    return Rectify.preparedCount.load(ordering: .relaxed) - before
  }

  @Test func itsOperatorsRun() throws {
    let executable = try executable(BackendTests.backend)
    #expect(executable.graph.nodes.map(\.qualifiedType) == ["test.Rectify", "Neg"])
    let x = try input(3)
    let count = try preparedCount {
      let y = try Session(executable).run([x])[0].elements(as: Float.self)
      #expect(y == [0, 0, 0, -0.5, -1.5, -2.5])
    }
    #expect(count == 1)
    let plain = try self.executable(.cpu)
    #expect(plain.graph.nodes.allSatisfy { $0.domain != "test" })
    #expect(
      try Session(plain).run([x])[0].elements(as: Float.self)
        == Session(executable).run([x])[0].elements(as: Float.self))
    // As a tuner makes it of a graph that is lowered already.
    var options = executable.options
    options.optimizes = false
    let again = try Executable(executable.graph, options: options)
    #expect(try Session(again).run([x])[0].elements(as: Float.self)[5] == -2.5)
  }

  @Test func itsOperatorsAreNotThoseOfOthers() throws {
    let graph = try executable(BackendTests.backend).graph
    expectError(.unavailable, "test.Rectify") { try Executable(graph) }
  }

  @Test func sessionsShareAPlan() throws {
    let executable = try executable(BackendTests.backend)
    let sessions = (0..<3).map { _ in Session(executable) }
    for (size, expected) in [(3, 1), (5, 1), (3, 0)] {
      let x = try input(size)
      let count = try preparedCount {
        for session in sessions { _ = try session.run([x]) }
      }
      #expect(count == expected, "\(size) rows")
    }
  }

  /// Sessions that ask for the same plan at once wait for the one that makes it.
  @Test func sessionsShareAPlanAtOnce() throws {
    let executable = try executable(BackendTests.backend)
    let pool = ThreadPool(threadCount: 8)
    // Each is used by one thread at a time.
    nonisolated(unsafe) let sessions = (0..<8).map { _ in Session(executable, pool: pool) }
    let x = try input(3)
    let wrong = Atomic(0)
    let count = preparedCount {
      DispatchQueue.concurrentPerform(iterations: sessions.count) { index in
        for _ in 0..<20 {
          let y = try? sessions[index].run([x])[0].elements(as: Float.self)
          if y != [0, 0, 0, -0.5, -1.5, -2.5] { wrong.wrappingAdd(1, ordering: .relaxed) }
        }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(count == 1)
  }

  /// Nothing is kept for sessions to come.
  @Test func plansGoWithTheirSessions() throws {
    let executable = try executable(BackendTests.backend)
    let x = try input(3)
    let count = try preparedCount {
      for _ in 0..<2 { _ = try Session(executable).run([x]) }
    }
    #expect(count == 2)
  }

  /// The memory that a session has in use counts for a shared plan as for one of its own.
  @Test func sharedPlansKeepTheLimit() throws {
    let executable = try executable(BackendTests.backend, memoryLimit: 1 << 20)
    let first = Session(executable)
    let small = try input(3)
    _ = try first.run([small])
    // What it is a part of fills the limit.
    let large = try Tensor(
      elementType: .float, shape: [3, 2], storage: Storage.heap(byteCount: 1 << 20))
    let count = try preparedCount {
      expectError(.operatingSystem, "MB") { try Session(executable).run([large]) }
      _ = try Session(executable).run([small])
    }
    #expect(count == 0)
    withExtendedLifetime(first) {}
  }
}
