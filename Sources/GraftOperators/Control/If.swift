import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Runs one of two graphs: `then_branch` if the condition holds, else `else_branch`.
///
/// The branches have no inputs; they read values of the enclosing graph.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__If.html>
package struct If: ControlOperator {
  package static let schema = OperatorSchema(
    "If", since: [1, 11, 13, 16, 19, 21, 23, 24, 25], sameSince: 1, inputs: 1...1,
    outputs: 1...OperatorSchema.unlimited)

  package static let branches = ["then_branch", "else_branch"]

  let bodies: [ByteString: Graph]
  /// The number of outputs of each branch.
  private let outputCounts: [Int]

  package init(_ attributes: AttributeReader) throws {
    var bodies: [ByteString: Graph] = [:]
    outputCounts = try Self.branches.map { name in
      let body = try attributes.required(name, attributes.graph(name))
      guard body.inputs.isEmpty else {
        throw GraftError.badData(
          "attribute '\(name)' is a graph with \(body.inputs.count) inputs; expected none")
      }
      bodies[name] = body
      return body.outputs.count
    }
    self.bodies = bodies
    guard outputCounts[0] == outputCounts[1] else {
      throw GraftError.badData(
        "then_branch has \(outputCounts[0]) outputs, else_branch has \(outputCounts[1])")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let count = context.outputCount
    guard count <= outputCounts[0] else {
      throw GraftError.badData("has \(count) outputs; its branches have \(outputCounts[0])")
    }
    if context.hasInput(0), let type = try? context.type(0) {
      guard type.tensor?.elementType == .bool else {
        throw GraftError.badData("the condition is \(type); expected a bool")
      }
    }
    let known = context.inputContents.first ?? nil
    if let known {
      let branch = Self.branches[try known.condition ? 0 : 1]
      for (index, value) in try context.inferBody(branch, []).prefix(count).enumerated() {
        if let type = value.type { context.setOutput(index, type) }
        if let contents = value.contents { context.setContents(index, contents) }
      }
      return
    }
    // A branch that does not fit together is an error only if it runs.
    let values = Self.branches.map { try? context.inferBody($0, []) }
    guard let first = values[0], let second = values[1] else { return }
    for index in 0..<count {
      guard let type = first[index].type, let other = second[index].type,
        let common = type.generalized(with: other)
      else { continue }
      context.setOutput(index, common)
    }
  }

  package static var examples: [OperatorExample] {
    let attributes: [ByteString: Attribute] = [
      "then_branch": .graph(.example("then") { [$0.addConstant(.floats([1, 2], [2]))] }),
      "else_branch": .graph(.example("else") { [$0.addConstant(.floats([3, 4, 5], [3]))] }),
    ]
    return [
      OperatorExample(
        "true", attributes: attributes, inputs: [.bools([true], [])],
        outputs: [.floats([1, 2], [2])]),
      OperatorExample(
        "false", attributes: attributes, inputs: [.bools([false], [1])],
        outputs: [.floats([3, 4, 5], [3])]),
    ]
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    if let known = context.constant(0) {
      let isTrue = try known.condition
      let body = try context.body(Self.branches[isTrue ? 0 : 1])
      let planned = (try? body.planned(for: [], carried: [:])) ?? nil
      let fits = planned.map { Self.fills(context, $0) } ?? false
      return Self.kernel([fits ? planned! : body], fits, context) { _ in 0 }
    }
    let bodies = try Self.branches.map { try context.body($0) }
    let planned = bodies.map { try? $0.planned(for: [], carried: [:]) ?? nil }
    let fits = planned.allSatisfy { $0.map { Self.fills(context, $0) } ?? false }
    return Self.kernel(fits ? planned.map { $0! } : bodies, fits, context) { run in
      try run.input(0).tensor.condition ? 0 : 1
    }
  }

  /// Whether a planned branch computes the node's outputs in their memory.
  private static func fills(_ context: PrepareContext, _ body: any BodyProgram) -> Bool {
    context.wantedOutputs.indices.allSatisfy { index in
      guard context.wantedOutputs[index] else { return true }
      guard let output = context.outputs[index] else { return false }
      let planned = body.plannedOutputs[index]
      return planned.elementType == output.elementType && planned.shape == output.shape
    }
  }

  private static func kernel(
    _ bodies: [any BodyProgram], _ isPlanned: Bool, _ context: PrepareContext,
    choose: @escaping @Sendable (ControlRun) throws -> Int
  ) -> PreparedKernel {
    let wanted = context.wantedOutputs
    guard isPlanned else {
      return .control(bodies, allocates: wanted) { run in
        let values = try run.bodies[try choose(run)].run([], run.memory)
        for index in wanted.indices where wanted[index] { run.results[index] = values[index] }
      }
    }
    // Outputs that nobody reads still need memory.
    var scratch = ControlScratch()
    let unread = bodies.map { body in
      body.plannedOutputs.indices.filter { $0 >= wanted.count || !wanted[$0] }
        .map { (index: $0, place: scratch.add(body.plannedOutputs[$0])) }
    }
    return .control(
      bodies, allocates: wanted.map { _ in false }, scratchByteCount: scratch.byteCount
    ) { run in
      let choice = try choose(run)
      let body = run.bodies[choice]
      for index in wanted.indices where wanted[index] {
        if let memory = run.outputs[index] { body.setOutput(index, memory) }
      }
      for (index, place) in unread[choice] { body.setOutput(index, try place.tensor(run)) }
      try body.runPlanned(run.memory)
    }
  }
}
