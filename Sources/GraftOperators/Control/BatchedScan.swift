import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Scan as in opset 8, where axis 0 of all inputs is a batch: it becomes a Scan over the batch,
/// whose body is a Scan over one sequence.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Scan.html#scan-8>
enum BatchedScan {
  /// - Parameter node: with the inputs sequence_lens (optional), states, and scan inputs
  static func upgrade(_ node: inout Node, in context: inout UpgradeContext) throws {
    let reader = AttributeReader(node.attributes)
    let body = try reader.required("body", reader.graph("body"))
    let scanCount = try reader.required("num_scan_inputs", reader.int("num_scan_inputs"))
    let inputs = Array(node.inputs.dropFirst())
    let lengths = node.inputs.first ?? nil
    guard scanCount >= 1, scanCount <= inputs.count, body.inputs.count == inputs.count,
      inputs.allSatisfy({ $0 != nil }), body.outputs.count >= inputs.count - scanCount
    else {
      throw GraftError.badData(
        "has \(inputs.count) states and scan inputs (num_scan_inputs is \(scanCount)); its body "
          + "has \(body.inputs.count) inputs and \(body.outputs.count) outputs")
    }
    let stateCount = inputs.count - scanCount
    var sequence = Graph(name: "\(body.name)/sequence")
    // What the body captures goes through the graph of one sequence.
    var inner = body
    for (id, outer) in body.captures.sorted(by: { $0.key < $1.key }) {
      let captured = sequence.addValue(
        name: context.graph[outer].name, type: context.graph[outer].type)
      sequence.captures[captured] = outer
      inner.captures[id] = captured
    }
    var length: ValueID?
    if lengths != nil {
      length = sequence.addValue(
        name: "\(body.name)/length", type: .tensor(TensorType(.int64, [])))
      sequence.inputs.append(length!)
    }
    var innerInputs: [ValueID?] = []
    for (index, input) in inputs.enumerated() {
      var type = input.flatMap { context.graph[$0].type?.tensor }
      if let shape = type?.shape, !shape.isEmpty { type?.shape = Array(shape.dropFirst()) }
      let name = "\(body.name)/\(index < stateCount ? "state" : "scan")_\(index)"
      let id = sequence.addValue(name: name, type: type.map { .tensor($0) })
      sequence.inputs.append(id)
      innerInputs.append(id)
    }
    let zero = sequence.addConstant(name: "\(body.name)/zero", try Tensor([Int64(0)], shape: [1]))
    var missing: ValueID?
    if let length {
      // The steps beyond the length are not run. Their outputs are undefined; here they are zero.
      let end = sequence.addNode(
        "Reshape",
        [
          length,
          sequence.addConstant(
            name: "\(body.name)/one", try Tensor([Int64(1)], shape: [1])),
        ])
      let shape = sequence.addNode("Shape", [innerInputs[stateCount]])
      let steps = sequence.addNode(
        "Slice",
        [
          shape, zero,
          sequence.addConstant(
            name: "\(body.name)/first", try Tensor([Int64(1)], shape: [1])),
        ])
      missing = sequence.addNode("Sub", [steps, end])
      for index in stateCount..<innerInputs.count {
        innerInputs[index] = sequence.addNode("Slice", [innerInputs[index], zero, end, zero])
      }
    }
    var attributes: [ByteString: Attribute] = [
      "body": .graph(inner), "num_scan_inputs": .int(scanCount),
    ]
    if let directions = try reader.ints("directions") {
      attributes["scan_input_directions"] = .ints(directions)
    }
    var outputs = sequence.addNode(
      "Scan", innerInputs, attributes: attributes, outputCount: body.outputs.count)
    if let missing {
      for index in stateCount..<outputs.count {
        let pads = sequence.addNode("Concat", [zero, missing], attributes: ["axis": .int(0)])
        outputs[index] = sequence.addNode("Pad", [outputs[index], pads, nil, zero])
      }
    }
    sequence.outputs = outputs
    node.inputs = (lengths.map { [$0] } ?? []) + inputs
    node.attributes = [
      "body": .graph(sequence), "num_scan_inputs": .int(node.inputs.count),
    ]
  }
}
