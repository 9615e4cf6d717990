import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The derivatives of a tensor y of the graph by others, the xs; where y has several elements,
/// those of their sum.
///
/// ONNX has the names of these tensors in the attributes `y` and `xs`, and in `zs` those of further
/// ones that y depends on. In Graft's graphs, where names do not matter, they are inputs. Inputs:
/// the values at which to differentiate, for each of xs and of zs; then the tensors of the graph
/// themselves: xs, zs and y. Outputs: a derivative for each of xs.
///
/// Nodes take its place before a graph runs (`GradientExpansion`). So the kernel is right only
/// where y does not depend on the others: the derivatives are 0.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Gradient.html>
package struct Gradient: Operator {
  package static let schema = OperatorSchema(
    "Gradient", domain: OperatorDomain.previewTraining, since: [1],
    inputs: 1...OperatorSchema.unlimited, outputs: 1...OperatorSchema.unlimited)

  /// The number of xs.
  package let targetCount: Int
  /// The number of xs and zs.
  package let sourceCount: Int

  package init(_ attributes: AttributeReader) throws {
    let names = try Names(attributes)
    targetCount = names.targets.count
    sourceCount = names.targets.count + names.others.count
  }

  /// The names in the attributes.
  package struct Names: Sendable {
    package let targets: [String]
    package let others: [String]
    package let result: String

    package init(_ attributes: AttributeReader) throws {
      targets = try attributes.required("xs", attributes.strings("xs"))
      others = try attributes.strings("zs") ?? []
      result = try attributes.required("y", attributes.string("y"))
      guard !targets.isEmpty else {
        throw GraftError.badData("attribute 'xs' names no tensor to differentiate by")
      }
    }

    /// All of them, in the order of the node's last inputs.
    package var all: [String] { targets + others + [result] }
  }

  /// The node as ONNX has it: the tensors of the graph are named in attributes.
  ///
  /// - Parameter name: returns the name of a value
  package static func named(_ node: Node, _ name: (ValueID) -> String) throws -> Node {
    let operation = try Gradient(AttributeReader(node.attributes))
    let count = operation.sourceCount
    let names = node.inputs.dropFirst(count).compactMap { $0.map(name) }
    guard node.inputs.count == 2 * count + 1, names.count == count + 1 else {
      throw GraftError.badData("has \(node.inputs.count) inputs; expected \(2 * count + 1)")
    }
    var node = node
    node.inputs = Array(node.inputs[..<count])
    node.attributes["xs"] = .strings(Array(names[..<operation.targetCount]))
    node.attributes["zs"] =
      count == operation.targetCount
      ? nil : .strings(Array(names[operation.targetCount..<count]))
    node.attributes["y"] = .string(names[count])
    return node
  }

  package func infer(_ context: inout InferenceContext) throws {
    guard context.inputCount == 2 * sourceCount + 1 else {
      throw GraftError.badData(
        "has \(context.inputCount) inputs; expected \(2 * sourceCount + 1)")
    }
    guard context.outputCount <= targetCount else {
      throw GraftError.badData(
        "has \(context.outputCount) outputs; expected one for each of the \(targetCount) tensors "
          + "in 'xs'")
    }
    for index in 0..<context.inputCount {
      guard context.hasInput(index) else { throw GraftError.badData("input \(index) is missing") }
    }
    try context.require(2 * sourceCount, .floatingPoint)
    for index in 0..<targetCount {
      try context.require(index, .floatingPoint)
      context.setOutput(index, .tensor(try context.input(index)))
    }
  }

  /// What it computes depends on the graph, too: it cannot be folded.
  package var isDeterministic: Bool { false }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let byteCounts = context.outputs.map { output in
      output.map { $0.elementType.byteWidth * $0.elementCount } ?? 0
    }
    return .single { arguments in
      for (index, byteCount) in byteCounts.enumerated() where arguments.hasOutput(index) {
        memset(arguments.output(index), 0, byteCount)
      }
    }
  }

  package static var examples: [OperatorExample] {
    let x = Tensor.floats([1, 2], [2])
    return [
      OperatorExample(
        "of a tensor that does not depend on the others",
        attributes: ["xs": .strings(["input1"]), "y": .string("input2")],
        inputs: [x, x, .floats([3], [])], outputs: [.floats([0, 0], [2])])
    ]
  }
}
