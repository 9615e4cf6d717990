import Foundation
import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Every operator's gradient against central differences, in double, over the cases of ONNX's
/// backend test suite.
@Suite struct ConformanceGradientTests {
  /// Elements of each input to look at.
  private static let elementLimit = 24

  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func gradientsHoldOverTheSuite() throws {
    let cases = try TemporaryFolder()
    let folder = "\(cases.path)/cases"
    let made = try Python.run([Python.maker("node_cases.py"), folder])
    try #require(made.status == 0, "\(made.output)")
    var (checked, withoutElements) = (0, 0)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
      guard let check = try Self.check(folder: "\(folder)/\(name)") else { continue }
      do {
        let result = try check().result(limit: Self.elementLimit)
        #expect(result.largestDifference < 2e-5, "\(name)")
        checked += 1
        if result.kinkCount == result.elementCount { withoutElements += 1 }
      } catch {
        Issue.record("\(name): \(error)")
      }
    }
    print("\(checked) cases checked, \(withoutElements) of them at kinks only")
    #expect(checked - withoutElements >= 450)
  }

  /// What checks a case; `nil` if nothing in it is differentiable.
  private static func check(folder: String) throws -> (() throws -> GradientCheck)? {
    guard let graph = try? ONNXImporter().graph(path: "\(folder)/model.onnx") else { return nil }
    // The constants of bodies stay floats; ControlGradientTests checks bodies.
    guard graph.nodes.allSatisfy({ $0.bodies.isEmpty }) else { return nil }
    let operators = graph.nodes.compactMap { differentiable[$0.qualifiedType] }
    guard operators.count == graph.nodes.count, !operators.isEmpty else { return nil }
    let given = try NPZFile.read(path: "\(folder)/inputs.npz")
    let tensors = Dictionary(given.map { ($0.name, $0.tensor) }) { $1 }
    var wide = graph
    var keepsFloat: Set<ValueID> = []
    var fixed: Set<ValueID> = []
    for (node, differentiable) in zip(graph.nodes, operators) {
      for (position, id) in node.inputs.enumerated() {
        guard let id else { continue }
        if alwaysFloatInputs[node.qualifiedType]?.contains(position) ?? false {
          keepsFloat.insert(id)
        }
        if !differentiable.takes(position) { fixed.insert(id) }
      }
    }
    for (id, constant) in graph.constants where !keepsFloat.contains(id) {
      wide.constants[id] = try constant.widened()
    }
    for index in wide.values.indices where wide.constants[ValueID(index)] == nil {
      wide.values[index].type = nil
    }
    for (id, constant) in wide.constants {
      wide[id].type = .tensor(
        TensorType(constant.elementType, constant.shape.map { .known($0) }))
    }
    // Axes and indices are constants, as networks have them.
    wide.inputs = []
    var inputs: [Tensor] = []
    for id in graph.inputs {
      guard let tensor = tensors[graph[id].name] else { return nil }
      let given = keepsFloat.contains(id) ? tensor : try tensor.widened()
      wide[id].type = .tensor(TensorType(given.elementType, given.shape.map { .known($0) }))
      guard given.elementType == .double else {
        wide.constants[id] = given
        continue
      }
      wide.inputs.append(id)
      inputs.append(given)
    }
    let positions = inputs.indices.filter {
      inputs[$0].elementCount > 0 && !fixed.contains(wide.inputs[$0])
    }
    guard !positions.isEmpty else { return nil }
    // Powers of integers are integers, with any exponent.
    if let base = graph.nodes[0].inputs[0], graph.nodes[0].qualifiedType == "Pow",
      wide.constants[base] != nil
    {
      return nil
    }
    return {
      try wide.inferTypes()
      let outputs = wide.outputs.filter { id in
        wide[id].type?.tensor?.elementType == .double
          && zip(graph.nodes, operators).allSatisfy { node, differentiable in
            node.outputs.firstIndex(of: id).map { differentiable.gives($0) } ?? true
          }
      }
      guard !outputs.isEmpty else { throw GraftError(.software, "has no output of doubles") }
      return try GradientCheck(wide, inputs: inputs, positions: positions, outputs: outputs)
    }
  }

  /// The inputs that an operator's examples declare differentiable.
  private struct Differentiable {
    var inputs: Set<Int> = []
    var outputs: Set<Int>?
    let isVariadic: Bool

    func takes(_ position: Int) -> Bool { isVariadic || inputs.contains(position) }
    func gives(_ position: Int) -> Bool { outputs?.contains(position) ?? true }
  }

  private static let differentiable: [String: Differentiable] = {
    var found: [String: Differentiable] = [:]
    for type in OperatorCatalog.operators where type.schema.domain.isEmpty {
      let examples = type.examples.filter { !$0.differentiableInputs.isEmpty }
      guard !examples.isEmpty else { continue }
      let limits = examples.compactMap(\.differentiableOutputs)
      found[type.schema.name] = Differentiable(
        inputs: Set(examples.flatMap(\.differentiableInputs)),
        outputs: limits.isEmpty ? nil : Set(limits.flatMap { $0 }),
        isVariadic: type.schema.inputs.upperBound > 16)
    }
    return found
  }()
}
