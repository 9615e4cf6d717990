import GraftTensor
import GraftExecution
import GraftFiles
import GraftGraph

/// Makes the steps of a plan: kernels of the nodes that something reads.
extension PlanLayout {
  /// What is left for after this plan; `nil` if nothing is.
  func continuation() -> Plan.Continuation? {
    let nodes = selection.deferred
    guard !nodes.isEmpty else { return nil }
    var made: Set<ValueID> = []
    for index in nodes { made.formUnion(graph.nodes[index].outputs.compactMap { $0 }) }
    var values: Set<ValueID> = []
    for index in nodes {
      let node = graph.nodes[index]
      for case let id? in node.inputs where !made.contains(id) { values.insert(id) }
      for body in node.bodies {
        for id in body.captures.values where !made.contains(id) { values.insert(id) }
      }
    }
    let fixed = values.filter { graph.constants[$0] != nil || graph.parameters[$0] != nil }
    return Plan.Continuation(
      nodes: nodes, values: values.subtracting(fixed).sorted(),
      contents: selection.neededContents)
  }

  /// Prepares the kernels of the nodes that something reads.
  mutating func prepareSteps(wanted: Set<ValueID>) throws {
    var live = wanted.union(graph.outputs)
    for update in graph.updates { live.insert(update.newValue) }
    var kept: [Planner.Item] = []
    for item in selection.items.reversed() {
      guard item.node.outputs.contains(where: { $0.map(live.contains) ?? false }) else { continue }
      for case let input? in item.node.inputs { live.insert(input) }
      for body in item.node.bodies { live.formUnion(body.captures.values) }
      kept.append(item)
    }
    for item in kept.reversed() {
      try withPlace(graph.label(item.node)) { try prepare(item) }
    }
  }

  private mutating func prepare(_ item: Planner.Item) throws {
    let node = item.node
    let acceptsUnaligned = type(of: item.operation).acceptsUnalignedInputs
    var descriptions: [PrepareContext.Description?] = []
    for input in node.inputs {
      guard let input, let type = selection.types[input]?.tensor,
        let shape = type.shape?.knownShape
      else {
        descriptions.append(nil)
        continue
      }
      var constant = selection.known[input]
      if let tensor = constant, !tensor.isAligned, !acceptsUnaligned {
        constant = try planner.packedConstants.packed(
          tensor, format: "aligned", elementType: tensor.elementType, shape: tensor.shape
        ) { try tensor.copied() }
      }
      descriptions.append(
        PrepareContext.Description(
          elementType: type.elementType, shape: shape, constant: constant))
      if let constant, constantPlaces[input] == nil {
        constantPlaces[input] = constants.count
        constants.append(constant)
      }
    }
    // Before kernels make tables of the extents.
    try planner.memory.require(item.outputTypes.lazy.map { $0?.memoryByteCount ?? 0 })
    let context = PrepareContext(
      inputs: descriptions,
      outputs: zip(node.outputs, item.outputTypes).map { id, type in
        guard id != nil, let type = type?.tensor, let shape = type.shape?.knownShape else {
          return nil
        }
        return PrepareContext.Description(elementType: type.elementType, shape: shape)
      },
      precision: planner.precision, tuning: planner.tuning,
      packedConstants: planner.packedConstants)
    let kernel = try item.operation.makeKernel(context)
    switch kernel.form {
    case .alias(let position):
      guard let output = node.outputs.first ?? nil, let source = node.inputs[position] else {
        throw GraftError(.software, "an alias without a source")
      }
      if selection.types[source]?.isStatic ?? false, !heapValues.contains(root(source)) {
        aliases[output] = root(source)
        return
      }
      let shape = item.outputTypes.first.flatMap { $0?.tensor?.shape?.knownShape }
      appendStep(
        node,
        .dynamic { inputs in
          guard case .tensor(let tensor)? = inputs[position], let shape else {
            return [inputs[position]]
          }
          return [.tensor(try tensor.reshaped(shape))]
        })
    default:
      appendStep(node, kernel)
    }
  }

  private mutating func appendStep(_ node: Node, _ kernel: PreparedKernel) {
    var dynamicOutputs: [ValueID?] = []
    if kernel.isDynamic {
      dynamicOutputs = node.outputs
      heapValues.formUnion(node.outputs.compactMap { $0 })
    }
    steps.append(
      Plan.Step(
        label: graph.label(node), operatorType: node.qualifiedType, kernel: kernel, inputs: [],
        outputs: [], dynamicOutputs: dynamicOutputs, scratchOffset: 0, workerScratchOffset: 0))
    stepReads.append(node.inputs)
    stepWrites.append(node.outputs)
  }
}
