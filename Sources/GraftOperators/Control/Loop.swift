import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Runs its body again and again: at most M times, while the condition holds.
///
/// Inputs: M, the condition, and the initial values of N carried values. The body gets the number
/// of the trip, the condition and the carried values, and computes the condition, the carried
/// values, and K scan outputs `[…]`. Outputs: the last carried values, and the scan outputs of all
/// trips, stacked: `[trips, …]`.
///
/// Without the condition's input, the body's condition is ignored, as the specification says.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Loop.html>
package struct Loop: ControlOperator {
  package static let schema = OperatorSchema(
    "Loop", since: [1, 11, 13, 16, 19, 21, 23, 24, 25], sameSince: 1,
    inputs: 0...OperatorSchema.unlimited, outputs: 1...OperatorSchema.unlimited)

  let bodies: [ByteString: Graph]
  let signature: LoopSignature

  package init(_ attributes: AttributeReader) throws {
    let body = try attributes.required("body", attributes.graph("body"))
    bodies = ["body": body]
    guard body.inputs.count >= 2 else {
      throw GraftError.badData(
        "its body has \(body.inputs.count) inputs; expected the trip, the condition, and the "
          + "carried values")
    }
    signature = LoopSignature(
      carriedCount: body.inputs.count - 2, outputCount: body.outputs.count,
      counterShape: body.scalarShape(ofInput: 0), conditionShape: body.scalarShape(ofInput: 1),
      scanTypes: body.outputs.dropFirst(body.inputs.count - 1).map { body[$0].type?.tensor })
    guard signature.outputCount > signature.carriedCount else {
      throw GraftError.badData(
        "its body has \(signature.outputCount) outputs for \(signature.carriedCount) carried "
          + "values and the condition")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let count = signature.carriedCount
    guard max(0, context.inputCount - 2) == count else {
      throw GraftError.badData(
        "has \(max(0, context.inputCount - 2)) initial values; its body has \(count)")
    }
    guard context.outputCount <= signature.outputCount - 1 else {
      throw GraftError.badData(
        "has \(context.outputCount) outputs; its body makes \(signature.outputCount - 1)")
    }
    try requireScalar(0, .int64, "the trip count", context)
    try requireScalar(1, .bool, "the condition", context)
    let trips = try knownTrips(context)
    var carried = (0..<count).map { index in (try? context.type(2 + index)) ?? nil }
    if trips.most == 0 {
      for (index, type) in carried.enumerated() {
        if let type { context.setOutput(index, type) }
      }
      // What does not fit together is no error, as the body does not run.
      let values =
        signature.scanTypes.contains(nil) ? try? fixedPoint(&carried, &context) : nil
      for (index, declared) in signature.scanTypes.enumerated() {
        guard let type = declared ?? values?[1 + count + index].type?.tensor else { continue }
        context.setOutput(count + index, type.elementType, [0] + (type.shape ?? []).orZero)
      }
      return
    }
    let values: [BodyValue]
    do {
      values = try fixedPoint(&carried, &context)
    } catch let error as GraftError {
      // A body that does not fit together is an error only if it runs.
      guard trips.least == 0 else { throw error }
      return
    }
    for (index, type) in carried.enumerated() {
      if let type { context.setOutput(index, type) }
    }
    let isEndless =
      !context.hasInput(1)
      || values[0].contents.map { (try? $0.condition) == true }
        ?? false
    let exact = isEndless && trips.least > 0 ? trips.most : nil
    for index in count..<max(count, context.outputCount) {
      guard let type = values[1 + index].type?.tensor else { continue }
      let extent = exact.map { Dimension.known($0) } ?? .unknown
      context.setOutput(index, type.elementType, type.shape.map { [extent] + $0 })
    }
  }

  /// The fewest trips that are certain, and the most trips, where known.
  private func knownTrips(_ context: InferenceContext) throws -> (least: Int, most: Int?) {
    func contents(_ index: Int) -> Tensor? {
      index < context.inputContents.count ? context.inputContents[index] : nil
    }
    if try contents(1)?.condition == false { return (0, 0) }
    let most = try contents(0).map { max(0, try $0.count) }
    if most == 0 { return (0, 0) }
    let starts = !context.hasInput(1) || contents(1) != nil
    return (starts && (most != nil || !context.hasInput(0)) ? 1 : 0, most)
  }

  /// Widens the types of carried values until they hold for every trip.
  ///
  /// - Returns: what the body computes from them
  private func fixedPoint(
    _ carried: inout [ValueType?], _ context: inout InferenceContext
  ) throws -> [BodyValue] {
    let starts = !context.hasInput(1) || context.inputContents[1] != nil
    let isTrue = starts ? try Tensor([true], shape: signature.conditionShape) : nil
    let first: [ValueType] = [
      .tensor(TensorType(.int64, [Dimension](signature.counterShape))),
      .tensor(TensorType(.bool, [Dimension](signature.conditionShape))),
    ]
    return try context.inferTrips("body", of: &carried, firstOutput: 1, contents: [nil, isTrue]) {
      first + $0
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let body = try context.body("body")
    guard let kernel = try plannedKernel(context, body) else {
      return signature.generalKernel(body, context)
    }
    return kernel
  }

  /// A kernel whose trips run in the plan's memory; `nil` if shapes change between trips.
  private func plannedKernel(
    _ context: PrepareContext, _ body: any BodyProgram
  ) throws -> PreparedKernel? {
    var inputs = [
      PrepareContext.Description(elementType: .int64, shape: signature.counterShape),
      PrepareContext.Description(elementType: .bool, shape: signature.conditionShape),
    ]
    for index in 0..<signature.carriedCount {
      guard context.hasInput(2 + index), var input = context.inputs[2 + index] else { return nil }
      input.constant = nil
      inputs.append(input)
    }
    // What does not fit together is an error of the trip that runs.
    let carried = (0..<signature.carriedCount).map { (1 + $0, 2 + $0) }
    guard
      let planned = try? body.planned(
        for: inputs, carried: Dictionary(uniqueKeysWithValues: carried)),
      planned.plannedOutputs[0].elementType == .bool,
      planned.plannedOutputs[0].elementCount == 1
    else { return nil }
    for index in 0..<signature.carriedCount {
      let output = planned.plannedOutputs[1 + index]
      guard output.elementType == inputs[2 + index].elementType,
        output.shape == inputs[2 + index].shape
      else { return nil }
      guard
        !context.wantedOutputs.indices.contains(index) || !context.wantedOutputs[index]
          || context.outputs[index]?.shape == output.shape
      else { return nil }
    }
    return PlannedLoop(signature: signature, planned: planned, context: context).kernel(planned)
  }

  private func requireScalar(
    _ index: Int, _ type: ElementType, _ what: String, _ context: InferenceContext
  ) throws {
    guard context.hasInput(index), let found = try? context.type(index) else { return }
    guard let tensor = found.tensor, tensor.elementType == type,
      tensor.shape?.elementCount.known ?? 1 == 1
    else {
      throw GraftError.badData("\(what) is \(found); expected one \(type)")
    }
  }

  package static var examples: [OperatorExample] {
    /// Doubles what it carries, and gives out what it was.
    let doubling = Graph.example("doubling") { body in
      _ = body.addInput(name: "trip", type: TensorType(.int64, []))
      let condition = body.addInput(name: "condition", type: TensorType(.bool, []))
      let carried = body.addInput(name: "carried", type: TensorType(.float, [2]))
      return [
        body.addNode("Identity", [condition]), body.addNode("Add", [carried, carried]),
        body.addNode("Identity", [carried]),
      ]
    }
    return [
      OperatorExample(
        "three trips", attributes: ["body": .graph(doubling)],
        inputs: [.integers([3], []), .bools([true], []), .floats([1, 2], [2])],
        outputs: [.floats([8, 16], [2]), .floats([1, 2, 2, 4, 4, 8], [3, 2])],
        differentiableInputs: [2]),
      OperatorExample(
        "no trip", attributes: ["body": .graph(doubling)],
        inputs: [nil, .bools([false], []), .floats([1, 2], [2])],
        outputs: [.floats([1, 2], [2]), .floats([], [0, 2])]),
    ]
  }
}

extension Graph {
  /// The shape that a body declares for an input with one element: `[]` or `[1]`.
  func scalarShape(ofInput index: Int) -> Shape {
    let rank = self[inputs[index]].type?.tensor?.shape?.count ?? 0
    return rank == 1 ? [1] : []
  }
}

extension Array where Element == Dimension {
  /// The extents; 0 where they are unknown.
  var orZero: [Dimension] { map { .known($0.known ?? 0) } }
}
