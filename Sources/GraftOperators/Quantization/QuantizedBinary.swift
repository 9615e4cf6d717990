import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// QuantizeLinear of an operator on two dequantized operands, which broadcast: Add, Sub, Mul, Div,
/// Max, Min. Results are to the bit those of the three operators.
///
/// Inputs: both operands; scale and zero point of the first, of the second and of the result, one
/// each. The attribute `operator` is the operator's name; `bounds` are the lowest and the highest
/// result.
package struct QuantizedBinary: Operator {
  package static let schema = OperatorSchema(
    "QuantizedBinary", domain: "graft", since: [1], inputs: 8...8)
  package static let operandCount = 2

  private let operation: any ArithmeticOperation.Type
  private let bounds: ClosedRange<Int32>?

  package init(_ attributes: AttributeReader) throws {
    let name = try attributes.required("operator", attributes.string("operator"))
    guard let operation = QuantizedBinary.operation(name) else {
      throw GraftError.badData("operator '\(name)' has no quantized form")
    }
    self.operation = operation
    bounds = try Requantization.bounds(attributes)
  }

  private static func operation(_ name: String) -> (any ArithmeticOperation.Type)? {
    let operations: [any ArithmeticOperator.Type] = [
      Add.self, Sub.self, Mul.self, Div.self, Max.self, Min.self,
    ]
    return operations.first { $0.schema.name == name }
  }

  /// Whether there is a quantized form of an operator.
  package static func has(_ type: any Operator.Type) -> Bool {
    type.schema.domain.isEmpty && operation(type.schema.name) != nil
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in [0, 1, 7] { try context.require(index, .bytes) }
    for index in [2, 4, 6] { try context.require(index, [.float]) }
    try context.requireSameElementType([0, 3])
    try context.requireSameElementType([1, 5])
    for index in 2..<8 { try context.requireOneElement(index) }
    try context.setBroadcastOutput(try context.elementType(7), inputs: [0, 1])
  }

  /// The elements that are dequantized at once.
  private static let blockSize = 512

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let table = context.instructionSet.kernels.pointee.binary.pointee
    guard let functions = operation.floatLoops(in: table) else {
      throw GraftError.unsupported("no kernel for a quantized operator")
    }
    let rows = StridedRows(
      broadcasting: [try context.input(0).shape, try context.input(1).shape],
      to: try context.output(0).shape)
    let loop = BinaryRows<Float, Float, Float>(functions).loop(for: rows)
    let operands = try [0, 1].map { try DequantizedOperand($0, rows, context) }
    let target = try context.output(0).elementType
    let integer = target.quantizedInteger ?? 0
    let range = bounds.map { target.integerRange.clamped(to: $0) } ?? target.integerRange
    let blockSize = QuantizedBinary.blockSize
    let instructionSet = context.instructionSet
    return .parallel(
      count: rows.elementCount, grain: 8192,
      workerScratchByteCount: 3 * blockSize * MemoryLayout<Float>.stride,
      inPlaceInputs: try context.inPlaceInputs(among: [0, 1])
    ) { arguments, elements in
      guard let left = arguments.workerScratch?.assumingMemoryBound(to: Float.self) else { return }
      let (right, results) = (left + blockSize, left + 2 * blockSize)
      let table = instructionSet.kernels.pointee.quantized.pointee
      var zeroPoint = ByteKind(target).integer(arguments.input(7))
      try rows.forEachRow(in: elements) { offsets, position, rowCount in
        for start in stride(from: 0, to: rowCount, by: blockSize) {
          let count = min(blockSize, rowCount - start)
          operands[0].widen(table, arguments, offset: offsets[0], start, count, to: left)
          operands[1].widen(table, arguments, offset: offsets[1], start, count, to: right)
          try loop(left, right, results, count)
          withUnsafePointer(to: &zeroPoint) { zeroPoint in
            var quantization = graft_quantization(
              scales: arguments.input(6, as: Float.self), zero_points: zeroPoint, step: 0)
            table.quantize(
              results, &quantization, Int32(GRAFT_ROUNDING_NONE), range.lowerBound,
              range.upperBound, integer, arguments.output(0) + position + start, count)
          }
        }
      }
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "Add", attributes: ["operator": .string(Add.schema.name)],
        inputs: [
          .example([0, 3, 128, 255] as [UInt8], [2, 2]), .example([-2, 5] as [Int8], [2]),
          .floats([0.5], []), .example([3] as [UInt8], []), .floats([2], []),
          .example([1] as [Int8], []), .floats([1], []), .example([10] as [UInt8], []),
        ],
        // -7.5, 8, 56.5 and 134
        outputs: [.example([2, 18, 66, 144] as [UInt8], [2, 2])]),
      OperatorExample(
        "Mul, with bounds",
        attributes: ["operator": .string(Mul.schema.name), "bounds": .ints([0, 100])],
        inputs: [
          .example([1, 2, -3] as [Int8], [3]), .example([5, 200, 7] as [UInt8], [3]),
          .floats([0.5], []), .example([0] as [Int8], []), .floats([0.25], []),
          .example([1] as [UInt8], []), .floats([0.125], []), .example([0] as [Int8], []),
        ],
        outputs: [.example([4, 100, 0] as [Int8], [3])]),
    ]
  }
}

/// An operand of bytes with one scale and zero point.
private struct DequantizedOperand: Sendable {
  private let input: Int
  private let integer: Int32
  private let kind: ByteKind
  private let step: Int

  init(_ input: Int, _ rows: StridedRows, _ context: PrepareContext) throws {
    self.input = input
    let type = try context.input(input).elementType
    integer = type.quantizedInteger ?? 0
    kind = ByteKind(type)
    step = rows.innerStrides[input]
  }

  /// Makes floats of `count` elements of a row, or of the one that is repeated, from `start` on.
  func widen(
    _ table: graft_quantized_table, _ arguments: KernelArguments, offset: Int, _ start: Int,
    _ count: Int, to target: UnsafeMutablePointer<Float>
  ) {
    let zeroPoint = kind.integer(arguments.input(3 + 2 * input))
    withUnsafePointer(to: zeroPoint) { zeroPoint in
      var quantization = graft_quantization(
        scales: arguments.input(2 + 2 * input, as: Float.self), zero_points: zeroPoint, step: 0)
      table.dequantize(
        integer, arguments.input(input) + offset + start * step, &quantization, target,
        step == 0 ? 1 : count)
    }
  }
}
