import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Builds a graph of nodes from older opsets: each is upgraded to the newest form, and its types
/// are inferred at once, because upgrading later nodes may need them.
package struct NodeUpgrader {
  package var graph: Graph
  /// Known contents of small values that follow from constants and shapes.
  private var folded: [ValueID: Tensor] = [:]
  private var foldedByteCount = 0

  /// Whether the graph is the body of a node. Shapes that do not match are not an error there yet,
  /// since the branch may never run.
  private let isBody: Bool

  /// Whether nodes that cannot be upgraded for lack of information stay in their older form, in the
  /// domain ``Node/olderFormDomain``; otherwise they are an error.
  private let keepsOlderForms: Bool

  package init(graph: Graph, isBody: Bool = false, keepsOlderForms: Bool = false) {
    self.graph = graph
    self.isBody = isBody
    self.keepsOlderForms = keepsOlderForms
  }

  /// Appends a node; its inputs must be in the graph already.
  ///
  /// - Parameters:
  ///   - node: a node of the opset `opset`; declared types of its outputs stay where inference
  ///     knows less
  ///   - opset: the model's version of the operator's domain; 0 if it has none
  /// - Throws: `GraftError` naming the node, if it is invalid. Unknown operators are appended
  ///   unchanged.
  package mutating func append(_ node: Node, opset: Int) throws {
    guard let type = OperatorCatalog.type(inFile: node) else {
      graph.nodes.append(node)
      return
    }
    try withPlace(graph.label(node)) {
      guard let version = type.schema.since.last(where: { $0 <= opset }) else {
        throw GraftError.badData(
          opset == 0
            ? "belongs to an operator set that the model does not import"
            : "is not an operator of the model's opset \(opset)")
      }
      guard type.schema.inputs.lowerBound == 0 || node.inputs.first ?? nil != nil else {
        throw GraftError.badData("input 0 is missing")
      }
      let valueCount = graph.values.count
      var upgraded = node
      // Operators always compute output 0, even if only the others are used.
      if upgraded.outputs.isEmpty { upgraded.outputs = [nil] }
      if upgraded.outputs[0] == nil { upgraded.outputs[0] = graph.addValue() }
      var context = UpgradeContext(graph: take(&graph), opset: opset)
      do {
        try type.upgrade(&upgraded, from: version, in: &context)
        graph = take(&context.graph)
      } catch {
        graph = take(&context.graph)
        guard keepsOlderForms, let unsupported = error as? GraftError,
          unsupported.code == .unavailable
        else { throw error }
        var older = node
        older.domain = Node.olderFormDomain
        graph.nodes.append(older)
        return
      }
      nameValues(from: valueCount, after: node)
      for extra in context.nodesBefore { try appendUpgraded(extra) }
      try appendUpgraded(upgraded)
      for extra in context.nodesAfter { try appendUpgraded(extra) }
    }
  }

  /// The known contents of a value.
  package func contents(_ id: ValueID) -> Tensor? { graph.constants[id] ?? folded[id] }

  /// Sets the contents of a value that this graph captures from the enclosing one.
  package mutating func setContents(_ id: ValueID, _ tensor: Tensor?) { folded[id] = tensor }

  /// Moves a graph out, so that changing it elsewhere copies nothing.
  private func take(_ graph: inout Graph) -> Graph {
    var taken = Graph()
    swap(&taken, &graph)
    return taken
  }

  /// Names values added by an upgrade after the node's output.
  private mutating func nameValues(from first: Int, after node: Node) {
    guard first < graph.values.count, let output = node.outputs.lazy.compactMap({ $0 }).first else {
      return
    }
    for index in first..<graph.values.count {
      graph.values[index].name = "\(graph[output].name)/\(node.operatorType)_\(index - first)"
    }
  }

  private mutating func appendUpgraded(_ node: Node) throws {
    graph.nodes.append(node)
    guard OperatorCatalog.type(of: node) != nil else { return }
    let operation = try OperatorCatalog.make(node)
    var context = graph.inferenceContext(of: node, contents: contents)
    do {
      try operation.inferTypes(&context)
    } catch is InferenceStop {
      // Results from before the stop are still valid.
    } catch let error as GraftError {
      guard isBody else { throw error }
    }
    for (index, output) in node.outputs.enumerated() {
      guard let output, let inferred = context.outputTypes[index] else { continue }
      graph[output].type = inferred.completed(by: graph[output].type)
      if let known = context.outputContents[index] { folded[output] = known }
    }
    fold(node, operation)
  }

  // MARK: Folding

  private static let foldedElementLimit = 1024
  /// The limit in bytes for all such values of a graph.
  private static let totalFoldingLimit = 32 << 20
  /// The limit in bytes for computing one of them.
  private static let foldingMemoryLimit = 1 << 20

  /// Runs a node on known small integers, as in the computation of shapes (Shape, Gather, Concat,
  /// Reshape).
  private mutating func fold(_ node: Node, _ operation: any Operator) {
    guard operation.isDeterministic, node.bodies.isEmpty,
      foldedByteCount < Self.totalFoldingLimit,
      !node.outputs.contains(where: { $0.map { contents($0) != nil } ?? false })
    else { return }
    var inputs: [RuntimeValue?] = []
    for input in node.inputs {
      guard let input else {
        inputs.append(nil)
        continue
      }
      guard let tensor = contents(input), isSmall(tensor.elementType, tensor.shape) else { return }
      inputs.append(.tensor(tensor))
    }
    for case let output? in node.outputs {
      guard let type = graph[output].type?.tensor, let shape = type.shape?.knownShape,
        isSmall(type.elementType, shape)
      else { return }
    }
    // A node that fails here will report its error in the run.
    guard
      let values = try? evaluate(
        operation, inputs: inputs, wantedOutputs: node.outputs.map { $0 != nil },
        memoryLimit: Self.foldingMemoryLimit)
    else { return }
    for (output, value) in zip(node.outputs, values) {
      guard let output, let tensor = try? value?.tensor else { continue }
      folded[output] = tensor
      foldedByteCount += tensor.byteCount
    }
  }

  private func isSmall(_ elementType: ElementType, _ shape: Shape) -> Bool {
    guard elementType.isInteger || elementType == .bool || elementType.isFloatingPoint,
      let count = try? shape.checkedElementCount()
    else { return false }
    return count <= Self.foldedElementLimit
  }
}

extension Node {
  /// The domain of nodes in the form of an older opset, in which no operator is known.
  package static let olderFormDomain = "graft.older-form"
}

extension ValueType {
  /// This inferred type, with unknown parts taken from `declared`.
  fileprivate func completed(by declared: ValueType?) -> ValueType {
    guard case .tensor(var type) = self, let declared = declared?.tensor,
      type.elementType == declared.elementType, let declaredShape = declared.shape
    else { return self }
    if let shape = type.shape {
      guard shape.count == declaredShape.count else { return self }
      type.shape = zip(shape, declaredShape).map { $0 == .unknown ? $1 : $0 }
    } else {
      type.shape = declaredShape
    }
    return .tensor(type)
  }
}
