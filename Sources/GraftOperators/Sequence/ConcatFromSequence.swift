import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Joins the tensors of a sequence along an axis, or stacks them along a new one.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ConcatFromSequence.html>
struct ConcatFromSequence: Operator {
  static let schema = OperatorSchema("ConcatFromSequence", since: [11], inputs: 1...1)

  let axis: Int
  let isNewAxis: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.required("axis", attributes.int("axis"))
    isNewAxis = try attributes.flag("new_axis")
  }

  func infer(_ context: inout InferenceContext) throws {
    let element = try context.sequenceElement(0)
    guard let tensor = element.tensor else {
      throw GraftError.badData("input 0 is a sequence of \(element); expected tensors")
    }
    context.setOutput(0, tensor.elementType, nil)
    guard var shape = tensor.shape else { return }
    let axis = try normalizedAxis(axis, rank: shape.count + (isNewAxis ? 1 : 0))
    if isNewAxis { shape.insert(.unknown, at: axis) } else { shape[axis] = .unknown }
    context.setOutput(0, tensor.elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (axis, isNewAxis) = (axis, isNewAxis)
    return .growing { inputs, memory in
      var tensors = try SequenceInputs(values: inputs).sequence(0).map { try $0.tensor }
      guard let first = tensors.first else {
        throw GraftError.badData("the sequence is empty: nothing tells the result's shape")
      }
      let axis = try normalizedAxis(axis, rank: first.rank + (isNewAxis ? 1 : 0))
      if isNewAxis {
        tensors = try tensors.map { tensor in
          var shape = tensor.shape
          guard shape.count == first.rank else { throw Self.mismatch(tensor, first) }
          shape.insert(1, at: axis)
          return try tensor.reshaped(shape)
        }
      }
      return [.tensor(try Self.joined(tensors, axis: axis, memory))]
    }
  }

  private static func mismatch(_ tensor: Tensor, _ first: Tensor) -> GraftError {
    .badData(
      "the sequence has tensors \(first.elementType)\(first.shape) and "
        + "\(tensor.elementType)\(tensor.shape), which do not match")
  }

  /// - Parameter tensors: at least one
  private static func joined(
    _ tensors: [Tensor], axis: Int, _ memory: MemoryBudget
  ) throws -> Tensor {
    var shape = tensors[0].shape
    shape[axis] = 0
    for tensor in tensors {
      var other = tensor.shape
      guard other.count == shape.count, tensor.elementType == tensors[0].elementType else {
        throw mismatch(tensor, tensors[0])
      }
      let (sum, overflow) = shape[axis].addingReportingOverflow(other[axis])
      other[axis] = shape[axis]
      guard other == shape, !overflow else { throw mismatch(tensor, tensors[0]) }
      shape[axis] = sum
    }
    let elementType = tensors[0].elementType
    try memory.require([try Tensor.memoryByteCount(elementType, shape)])
    let outer = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    if elementType == .string {
      var strings: [String] = []
      for place in 0..<outer {
        for tensor in tensors {
          let run = tensor.shape[axis] * inner
          strings += tensor.strings[place * run..<(place + 1) * run]
        }
      }
      return try Tensor(strings: strings, shape: shape)
    }
    let result = try Tensor(zeros: elementType, shape: shape)
    var target = result.baseAddress
    for place in 0..<outer {
      for tensor in tensors {
        let run = tensor.shape[axis] * inner * elementType.byteWidth
        target.copyMemory(from: tensor.baseAddress + place * run, byteCount: run)
        target += run
      }
    }
    return result
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      builder.add(
        "ConcatFromSequenceGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0)],
        attributes: ["axis": .int(axis), "new_axis": .int(isNewAxis ? 1 : 0)]))
  }

  static var examples: [OperatorExample] {
    let sequence = RuntimeValue.sequence([
      .tensor(.floats([1, 2, 3, 4], [2, 2])), .tensor(.floats([5, 6, 7, 8], [2, 2])),
    ])
    return [
      OperatorExample(
        "last axis", attributes: ["axis": .int(-1)], values: [sequence],
        results: [.tensor(.floats([1, 2, 5, 6, 3, 4, 7, 8], [2, 4]))]),
      OperatorExample(
        "a new last axis", attributes: ["axis": .int(-1), "new_axis": .int(1)],
        values: [sequence],
        results: [.tensor(.floats([1, 5, 2, 6, 3, 7, 4, 8], [2, 2, 2]))]),
      OperatorExample(
        "scalars", attributes: ["axis": .int(0), "new_axis": .int(1)],
        values: [.sequence([.tensor(.integers([3], [])), .tensor(.integers([4], []))])],
        results: [.tensor(.integers([3, 4], [2]))]),
      OperatorExample(
        "different lengths, strings", attributes: ["axis": .int(0)],
        values: [
          .sequence([
            .tensor(.strings(["a"], [1])), .tensor(.strings([], [0])),
            .tensor(.strings(["b", "c"], [2])),
          ])
        ],
        results: [.tensor(.strings(["a", "b", "c"], [3]))]),
    ]
  }
}
