import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Runs its body for each slice of its scan inputs, with state that it carries along.
///
/// Inputs: the initial values of N states, and M scan inputs. The body gets the states and a slice
/// of each scan input, and computes the states and K scan outputs. Outputs: the last states, and
/// the scan outputs of all slices, stacked along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Scan.html>
package struct Scan: ControlOperator {
  package static let schema = OperatorSchema(
    "Scan", since: [8, 9, 11, 16, 19, 21, 23, 24, 25], sameSince: 11,
    inputs: 0...OperatorSchema.unlimited, outputs: 1...OperatorSchema.unlimited)

  let bodies: [ByteString: Graph]
  let signature: ScanSignature

  package init(_ attributes: AttributeReader) throws {
    let body = try attributes.required("body", attributes.graph("body"))
    bodies = ["body": body]
    let scanInputCount = try attributes.required(
      "num_scan_inputs", attributes.int("num_scan_inputs"))
    guard (1...max(1, body.inputs.count)).contains(scanInputCount),
      scanInputCount <= body.inputs.count
    else {
      throw GraftError.badData(
        "num_scan_inputs is \(scanInputCount), but its body has \(body.inputs.count) inputs")
    }
    let stateCount = body.inputs.count - scanInputCount
    guard body.outputs.count >= stateCount else {
      throw GraftError.badData(
        "its body has \(body.outputs.count) outputs for \(stateCount) states")
    }
    let scanOutputCount = body.outputs.count - stateCount
    func list(_ name: String, _ count: Int) throws -> [Int] {
      let values = try attributes.ints(name) ?? Array(repeating: 0, count: count)
      guard values.count == count else {
        throw GraftError.badData(
          "attribute '\(name)' has \(values.count) elements; expected \(count)")
      }
      return values
    }
    func directions(_ name: String, _ count: Int) throws -> [Bool] {
      try list(name, count).map { direction in
        guard direction == 0 || direction == 1 else {
          throw GraftError.badData("attribute '\(name)' has \(direction); expected 0 or 1")
        }
        return direction == 1
      }
    }
    signature = ScanSignature(
      stateCount: stateCount, inputAxes: try list("scan_input_axes", scanInputCount),
      outputAxes: try list("scan_output_axes", scanOutputCount),
      isInputReversed: try directions("scan_input_directions", scanInputCount),
      isOutputReversed: try directions("scan_output_directions", scanOutputCount),
      outputTypes: body.outputs.dropFirst(stateCount).map { body[$0].type?.tensor })
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 9 { try BatchedScan.upgrade(&node, in: &context) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard opset >= 9 else {
      throw GraftError.unsupported("Scan without a batch axis is new in opset 9")
    }
    let reader = AttributeReader(node.attributes)
    let axes = try (reader.ints("scan_input_axes") ?? []) + (reader.ints("scan_output_axes") ?? [])
    guard axes.allSatisfy({ $0 >= 0 }) else {
      throw GraftError.unsupported("an axis that is counted from the end is new in opset 11")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let count = signature.stateCount
    guard context.inputCount == count + signature.scanInputCount else {
      throw GraftError.badData(
        "has \(context.inputCount) inputs; its body has \(count + signature.scanInputCount)")
    }
    guard context.outputCount <= count + signature.scanOutputCount else {
      throw GraftError.badData(
        "has \(context.outputCount) outputs; its body makes \(count + signature.scanOutputCount)")
    }
    var length = Dimension.unknown
    var slices: [ValueType?] = []
    for index in 0..<signature.scanInputCount {
      guard context.hasInput(count + index) else {
        throw GraftError.badData("scan input \(index) is missing")
      }
      guard let type = (try? context.type(count + index)) ?? nil else {
        slices.append(nil)
        continue
      }
      guard let tensor = type.tensor else {
        throw GraftError.badData("scan input \(index) is \(type); expected a tensor")
      }
      guard var shape = tensor.shape else {
        slices.append(.tensor(TensorType(tensor.elementType, nil)))
        continue
      }
      let axis = try signature.inputAxis(index, rank: shape.count)
      let extent = shape.remove(at: axis)
      if let known = length.known, let other = extent.known, known != other {
        throw GraftError.badData(
          "scan input \(index) has \(other) slices; the scan inputs before have \(known)")
      }
      if length.known == nil, extent != .unknown { length = extent }
      slices.append(.tensor(TensorType(tensor.elementType, shape)))
    }
    var states = (0..<count).map { index in (try? context.type(index)) ?? nil }
    let values: [BodyValue]
    do {
      values = try context.inferTrips("body", of: &states, firstOutput: 0) { $0 + slices }
    } catch let error as GraftError {
      // A body that does not fit together is an error only if it runs.
      guard length.known ?? 0 == 0 else { throw error }
      return
    }
    for (index, type) in states.enumerated() {
      if let type { context.setOutput(index, type) }
    }
    for index in 0..<signature.scanOutputCount where count + index < context.outputCount {
      guard let type = values[count + index].type?.tensor else { continue }
      guard var shape = type.shape else {
        context.setOutput(count + index, type.elementType, nil)
        continue
      }
      let axis = try signature.outputAxis(index, rank: shape.count + 1)
      shape.insert(length, at: axis)
      context.setOutput(count + index, type.elementType, shape)
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let body = try context.body("body")
    return try plannedKernel(context, body) ?? signature.generalKernel(body, context)
  }

  /// A kernel whose trips run in the plan's memory; `nil` if shapes change between trips.
  private func plannedKernel(
    _ context: PrepareContext, _ body: any BodyProgram
  ) throws -> PreparedKernel? {
    let count = signature.stateCount
    var inputs: [PrepareContext.Description] = []
    var length: Int?
    for index in context.inputs.indices {
      guard var input = context.inputs[index] else { return nil }
      input.constant = nil
      if index >= count {
        let axis = try signature.inputAxis(index - count, rank: input.rank)
        let extent = input.shape.remove(at: axis)
        guard length == nil || length == extent else { return nil }
        length = extent
      }
      inputs.append(input)
    }
    // What does not fit together is an error of the trip that runs.
    let carried = Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, $0) })
    guard let length, let planned = try? body.planned(for: inputs, carried: carried) else {
      return nil
    }
    for index in 0..<count {
      let output = planned.plannedOutputs[index]
      guard output.elementType == inputs[index].elementType, output.shape == inputs[index].shape
      else { return nil }
    }
    for index in context.wantedOutputs.indices where context.wantedOutputs[index] {
      var shape = planned.plannedOutputs[index].shape
      if index >= count {
        let axis = try signature.outputAxis(index - count, rank: shape.count + 1)
        shape.insert(length, at: axis)
      }
      guard context.outputs[index]?.shape == shape else { return nil }
    }
    return try PlannedScan(
      signature: signature, planned: planned, inputs: inputs, length: length, context: context
    ).kernel(planned)
  }

  package static var examples: [OperatorExample] {
    /// Multiplies the state by a slice.
    let product = Graph.example("product") { body in
      let state = body.addInput(name: "state", type: TensorType(.float, [2]))
      let slice = body.addInput(name: "slice", type: TensorType(.float, [2]))
      let next = body.addNode("Mul", [state, slice])
      return [next, body.addNode("Identity", [next])]
    }
    let columns: [ByteString: Attribute] = [
      "body": .graph(product), "num_scan_inputs": .int(1), "scan_input_axes": .ints([-1]),
      "scan_input_directions": .ints([1]), "scan_output_axes": .ints([1]),
      "scan_output_directions": .ints([1]),
    ]
    return [
      OperatorExample(
        "rows", attributes: ["body": .graph(product), "num_scan_inputs": .int(1)],
        inputs: [.floats([1, 2], [2]), .floats([1, 2, 3, 4, 5, 6], [3, 2])],
        outputs: [.floats([15, 96], [2]), .floats([1, 4, 3, 16, 15, 96], [3, 2])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "columns in reverse", attributes: columns,
        inputs: [.floats([1, 2], [2]), .floats([1, 3, 5, 2, 4, 6], [2, 3])],
        outputs: [.floats([15, 96], [2]), .floats([15, 15, 5, 96, 48, 12], [2, 3])],
        differentiableInputs: [0, 1]),
    ]
  }
}
