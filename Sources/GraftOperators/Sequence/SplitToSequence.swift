import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Splits a tensor along an axis into a sequence: into parts of one length, of which the last may
/// be smaller, or of given lengths. Without lengths, into slices of extent 1, or without the axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SplitToSequence.html>
struct SplitToSequence: Operator {
  static let schema = OperatorSchema(
    "SplitToSequence", since: [11, 24], sameSince: 11, inputs: 1...2)

  let axis: Int
  let keepsAxis: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
    keepsAxis = try attributes.flag("keepdims", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, .sequence(.tensor(TensorType(elementType, nil))))
    if context.hasInput(1) {
      try context.require(1, [.int32, .int64])
      if let rank = try context.input(1).shape?.count, rank > 1 {
        throw GraftError.badData("input 1 has rank \(rank); expected a scalar or one axis")
      }
    }
    var shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    let extent = shape[axis]
    if context.hasInput(1) {
      shape[axis] = .unknown
      if let lengths = context.inputContents[1], let extent = extent.known {
        let parts = try SplitParts(extent: extent, lengths: lengths)
        if let length = parts.commonLength { shape[axis] = .known(length) }
      }
    } else if keepsAxis {
      shape[axis] = 1
    } else {
      shape.remove(at: axis)
    }
    context.setOutput(0, .sequence(.tensor(TensorType(elementType, shape))))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (axis, keepsAxis) = (axis, keepsAxis)
    return .sharing { inputs, memory in
      let inputs = SequenceInputs(values: inputs)
      let input = try inputs.value(0).tensor
      let axis = try normalizedAxis(axis, rank: input.rank)
      let lengths = inputs.values.count > 1 ? try inputs.values[1]?.tensor : nil
      let parts = try SplitParts(extent: input.shape[axis], lengths: lengths)
      let (byteCount, overflow) = parts.count.multipliedReportingOverflow(
        by: RuntimeSequence.elementByteCount)
      try memory.reserve(overflow ? .max : byteCount)
      var elements = try input.split(parts, axis: axis, memory)
      if lengths == nil, !keepsAxis {
        var shape = input.shape
        shape.remove(at: axis)
        elements = try elements.map { try $0.reshaped(shape) }
      }
      return [.sequence(elements.map { .tensor($0) })]
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let hasLengths = builder.node.inputs.count > 1 && builder.node.inputs[1] != nil
    builder.setInputGradient(
      0,
      builder.add(
        "ConcatFromSequence", [try builder.outputGradient()],
        attributes: ["axis": .int(axis), "new_axis": .int(keepsAxis || hasLengths ? 0 : 1)]))
  }

  static var examples: [OperatorExample] {
    let matrix = RuntimeValue.tensor(.floats([1, 2, 3, 4, 5, 6], [2, 3]))
    return [
      OperatorExample(
        "rows", values: [matrix],
        results: [
          .sequence([.tensor(.floats([1, 2, 3], [1, 3])), .tensor(.floats([4, 5, 6], [1, 3]))])
        ]),
      OperatorExample(
        "columns without their axis", attributes: ["axis": .int(-1), "keepdims": .int(0)],
        values: [matrix],
        results: [
          .sequence([
            .tensor(.floats([1, 4], [2])), .tensor(.floats([2, 5], [2])),
            .tensor(.floats([3, 6], [2])),
          ])
        ]),
      OperatorExample(
        "equal parts, the last one smaller", attributes: ["axis": .int(1)],
        values: [matrix, .tensor(.integers([2], []))],
        results: [
          .sequence([
            .tensor(.floats([1, 2, 4, 5], [2, 2])), .tensor(.floats([3, 6], [2, 1])),
          ])
        ]),
      OperatorExample(
        "given lengths, of which one is 0; strings",
        attributes: ["keepdims": .int(0)],
        values: [
          .tensor(.strings(["a", "b", "c"], [3])), .tensor(.example([1, 0, 2] as [Int32], [3])),
        ],
        results: [
          .sequence([
            .tensor(.strings(["a"], [1])), .tensor(.strings([], [0])),
            .tensor(.strings(["b", "c"], [2])),
          ])
        ]),
    ]
  }
}

/// The lengths of parts along an axis.
private struct SplitParts {
  private enum Form {
    case equal(Int)
    case given([Int])
  }

  private let extent: Int
  private let form: Form

  /// - Parameters:
  ///   - extent: of the axis
  ///   - lengths: one for all, or one for each; `nil` for 1
  /// - Throws: `GraftError` if they do not match the extent
  init(extent: Int, lengths: Tensor?) throws {
    self.extent = extent
    guard let lengths else {
      form = .equal(1)
      return
    }
    let numbers = try lengths.integers()
    if lengths.rank == 0 {
      guard let length = numbers.first, length > 0 else {
        throw GraftError.badData("parts of length \(numbers.first ?? 0); expected at least 1")
      }
      form = .equal(length)
      return
    }
    var total = 0
    for number in numbers {
      let (sum, overflow) = total.addingReportingOverflow(number)
      guard number >= 0, !overflow else {
        throw GraftError.badData("the length \(number) of a part is negative or too large")
      }
      total = sum
    }
    guard total == extent else {
      throw GraftError.badData("the lengths add up to \(total); the axis has extent \(extent)")
    }
    form = .given(numbers)
  }

  var count: Int {
    switch form {
    case .equal(let length): extent / length + (extent % length == 0 ? 0 : 1)
    case .given(let lengths): lengths.count
    }
  }

  /// The length of all parts, if it is the same.
  var commonLength: Int? {
    switch form {
    case .equal(let length): extent % length == 0 ? length : extent < length ? extent : nil
    case .given(let lengths):
      lengths.allSatisfy { $0 == lengths[0] } ? lengths.first : nil
    }
  }

  func forEach(_ body: (_ start: Int, _ length: Int) throws -> Void) rethrows {
    var start = 0
    for number in 0..<count {
      let length =
        switch form {
        case .equal(let length): min(length, extent - start)
        case .given(let lengths): lengths[number]
        }
      try body(start, length)
      start += length
    }
  }
}

extension Tensor {
  /// Parts along an axis: views where their elements are contiguous, copies elsewhere.
  fileprivate func split(
    _ parts: SplitParts, axis: Int, _ memory: MemoryBudget
  ) throws -> [Tensor] {
    let outer = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    let width = elementType.byteWidth
    let row = shape[axis] * inner
    var result: [Tensor] = []
    result.reserveCapacity(parts.count)
    if elementType != .string, outer != 1 { try memory.reserve(byteCount) }
    let source = outer == 1 ? try kept(memory) : self
    try parts.forEach { start, length in
      var partShape = shape
      partShape[axis] = length
      if elementType == .string {
        var strings: [String] = []
        for place in 0..<outer {
          let first = place * row + start * inner
          strings += source.strings[first..<first + length * inner]
        }
        result.append(try Tensor(strings: strings, shape: partShape))
      } else if outer == 1 {
        result.append(
          try Tensor(
            elementType: elementType, shape: partShape, storage: source.storage,
            byteOffset: source.byteOffset + start * inner * width))
      } else {
        let part = try Tensor(zeros: elementType, shape: partShape)
        let run = length * inner * width
        for place in 0..<outer {
          (part.baseAddress + place * run).copyMemory(
            from: source.baseAddress + (place * row + start * inner) * width, byteCount: run)
        }
        result.append(part)
      }
    }
    return result
  }
}
