import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// saturate(round(x / scale) + zero point): real numbers as integers, or as floats of 8 or 4 bits.
///
/// Quotients have the precision of the scale, or of the attribute `precision`, and are rounded to
/// the nearest integer, ties to even. NaN becomes the lowest integer.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>
package struct QuantizeLinear: Operator {
  package static let schema = OperatorSchema(
    "QuantizeLinear", since: [10, 13, 19, 21, 23, 24, 25, 28], sameSince: 13, inputs: 2...3)

  let axis: QuantizationAxis
  private let outputType: ElementType?
  private let precision: ElementType?
  private let saturates: Bool

  package init(_ attributes: AttributeReader) throws {
    axis = try QuantizationAxis(attributes)
    outputType = try QuantizeLinear.type("output_dtype", attributes)
    precision = try QuantizeLinear.type("precision", attributes)
    saturates = try attributes.flag("saturate", default: true)
  }

  /// An element type; 0 counts as none.
  static func type(_ name: String, _ attributes: AttributeReader) throws -> ElementType? {
    try attributes.int(name) == 0 ? nil : attributes.elementType(name)
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try context.requirePerTensorQuantization(node)
    node.attributes["axis"] = nil
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.float, .float16, .bfloat16, .int32])
    try context.require(1, [.float, .float16, .bfloat16, .int32, .float8e8m0])
    var type = outputType ?? .uint8
    if context.hasInput(2) {
      type = try context.elementType(2)
      if let outputType, outputType != type {
        throw GraftError.badData(
          "attribute 'output_dtype' is \(outputType), the zero point has element type \(type)")
      }
    }
    guard Set.quantized.contains(type) else {
      throw GraftError.badData("numbers cannot be quantized to \(type)")
    }
    context.setOutput(0, type, try context.input(0).shape)
    try axis.check(context)
    _ = try division(try context.elementType(1))
  }

  /// How numbers are divided by their scale.
  fileprivate enum Division: Sendable {
    case float(Rounding)
    case double
  }

  private func division(_ scale: ElementType) throws -> Division {
    switch precision ?? scale {
    case .float, .float8e8m0: return .float(.none)
    case .float16: return .float(.float16)
    case .bfloat16: return .float(.bfloat16)
    // Integers are divided as real numbers, as in the reference implementation.
    case .int32, .double: return .double
    case let type: throw GraftError.badData("quotients cannot have the precision of \(type)")
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (input, scale) = (try context.input(0), try context.input(1))
    let granularity = try axis.granularity(input.shape, scale: scale.shape)
    let division = try division(scale.elementType)
    guard let integer = try context.output(0).elementType.quantizedInteger,
      case .float(let rounding) = division
    else { return try generalKernel(context, granularity, division) }
    let isAlike: Bool =
      switch rounding {
      case .none: true
      case .float16: input.elementType == .float16 && scale.elementType == .float16
      case .bfloat16: input.elementType == .bfloat16 && scale.elementType == .bfloat16
      }
    guard isAlike else { return try generalKernel(context, granularity, division) }
    return try integerKernel(context, granularity, rounding, integer)
  }

  /// The elements that are converted at once.
  private static let blockSize = 512

  /// Integers by vectors, from quotients of floats.
  private func integerKernel(
    _ context: PrepareContext, _ granularity: QuantizationGranularity, _ rounding: Rounding,
    _ integer: Int32
  ) throws -> PreparedKernel {
    let source = try context.input(0).elementType
    let target = try context.output(0).elementType
    let range = target.integerRange
    var scratch = ScratchLayout()
    let parameters = try QuantizationParameters(
      scale: 1, zeroPoint: 2, scratch: &scratch, context)
    let instructionSet = context.instructionSet
    let blockSize = QuantizeLinear.blockSize
    let phase = PreparedKernel.Phase.parallel(count: granularity.elementCount, grain: 8192) {
      arguments, elements in
      let table = instructionSet.kernels.pointee.quantized.pointee
      try parameters.withPointers(arguments) { scales, zeroPoints in
        /// Quantizes elements, the first of which is at `x`.
        func quantize(_ x: UnsafePointer<Float>, _ elements: Range<Int>) {
          granularity.forEachRun(in: elements) { position, count, scale, step in
            var quantization = graft_quantization(
              scales: scales + scale, zero_points: zeroPoints + scale, step: step)
            table.quantize(
              x + (position - elements.lowerBound), &quantization, rounding.code,
              range.lowerBound, range.upperBound, integer,
              arguments.output(0) + position * target.byteWidth, count)
          }
        }
        guard source != .float else {
          quantize(arguments.input(0, as: Float.self) + elements.lowerBound, elements)
          return
        }
        guard let block = arguments.workerScratch?.assumingMemoryBound(to: Float.self) else {
          return
        }
        for start in stride(from: elements.lowerBound, to: elements.upperBound, by: blockSize) {
          let part = start..<min(start + blockSize, elements.upperBound)
          try ElementConversion.convert(
            arguments.input(0) + start * source.byteWidth, source, to: block, .float,
            count: part.count)
          quantize(block, part)
        }
      }
    }
    return PreparedKernel(
      phases: [parameters.phase, phase].compactMap { $0 }, scratchByteCount: scratch.byteCount,
      workerScratchByteCount: source == .float ? 0 : blockSize * MemoryLayout<Float>.size)
  }

  /// Every other combination of types, element by element.
  private func generalKernel(
    _ context: PrepareContext, _ granularity: QuantizationGranularity, _ division: Division
  ) throws -> PreparedKernel {
    let source = try context.input(0).elementType
    let target = try context.output(0).elementType
    var scratch = ScratchLayout()
    let scales = try ConvertedInput(1, to: .double, scratch: &scratch, context)
    let zeroPoints =
      context.hasInput(2) ? try ConvertedInput(2, to: .double, scratch: &scratch, context) : nil
    let store = ElementStore(target, saturates: saturates)
    let blockSize = QuantizeLinear.blockSize
    let converted = [scales, zeroPoints].compactMap { $0 }
    let conversion = PreparedKernel.Phase(taskCount: converted.count) { arguments, task in
      try converted[task].convert(arguments)
    }
    let phase = PreparedKernel.Phase.parallel(count: granularity.elementCount, grain: 4096) {
      arguments, elements in
      guard let x = arguments.workerScratch?.assumingMemoryBound(to: Double.self),
        let scales = scales.pointer(arguments)?.assumingMemoryBound(to: Double.self)
      else { return }
      let zeroPoints = zeroPoints?.pointer(arguments)?.assumingMemoryBound(to: Double.self)
      let output = arguments.output(0)
      for start in stride(from: elements.lowerBound, to: elements.upperBound, by: blockSize) {
        let part = start..<min(start + blockSize, elements.upperBound)
        try ElementConversion.convert(
          arguments.input(0) + start * source.byteWidth, source, to: x, .double,
          count: part.count)
        granularity.forEachRun(in: part) { position, count, scale, step in
          for index in 0..<count {
            let place = scale + index * step
            let quotient = division.quotient(x[position - start + index], scales[place])
            store.store(
              quotient, zeroPoint: zeroPoints?[place] ?? 0, in: output, at: position + index)
          }
        }
      }
    }
    return PreparedKernel(
      phases: [conversion, phase], scratchByteCount: scratch.byteCount,
      workerScratchByteCount: blockSize * MemoryLayout<Double>.size)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "ties and bounds",
        inputs: [
          .floats([-1000, -3, -1, 1, 3, 5, 253, 1000, .nan], [9]), .floats([2], []),
          .example([128] as [UInt8], []),
        ],
        // -1.5, -0.5, 0.5, 1.5, 2.5 and 126.5 become -2, 0, 0, 2, 2 and 126
        outputs: [.example([0, 126, 128, 128, 130, 130, 254, 255, 0] as [UInt8], [9])]),
      OperatorExample(
        "by axis", attributes: ["axis": .int(-1)],
        inputs: [
          .floats([1, 2, 3, 4, -5, 600], [2, 3]), .floats([1, 0.5, 4], [3]),
          .example([0, 10, -1] as [Int8], [3]),
        ],
        outputs: [.example([1, 14, 0, 4, 0, 127] as [Int8], [2, 3])]),
      OperatorExample(
        "by blocks", attributes: ["axis": .int(1), "block_size": .int(2), "output_dtype": .int(5)],
        inputs: [.floats([6, 12, 50, 5, -3, 4e6], [2, 3]), .floats([1.5, 5, 3, 50], [2, 2])],
        outputs: [.example([4, 8, 10, 2, -1, 32767] as [Int16], [2, 3])]),
    ]
  }
}

extension QuantizeLinear.Division {
  /// x / scale in this precision, as a double.
  func quotient(_ x: Double, _ scale: Double) -> Double {
    switch self {
    case .double: return x / scale
    case .float(.none): return Double(Float(x) / Float(scale))
    case .float(.float16):
      return Double(Float16(Float(Float16(x)) / Float(Float16(scale))))
    case .float(.bfloat16):
      let quotient = BFloat16(rounding: x).float / BFloat16(rounding: scale).float
      return Double(BFloat16(quotient).float)
    }
  }
}

/// Stores real numbers as quantized elements.
struct ElementStore: Sendable {
  private let type: ElementType
  private let format: NarrowFloat?
  private let rounding: NarrowFloat.Rounding

  init(_ type: ElementType, saturates: Bool) {
    self.type = type
    format = NarrowFloat(type)
    rounding = NarrowFloat.Rounding(saturates: saturates)
  }

  /// Stores saturate(round(x) + zero point); NaN becomes the lowest integer.
  func store(
    _ x: Double, zeroPoint: Double, in output: UnsafeMutableRawPointer, at index: Int
  ) {
    if let format {
      // A sum would lose the sign of zero.
      output.storeBytes(
        of: format.encode(zeroPoint == 0 ? x : x + zeroPoint, rounding: rounding),
        toByteOffset: index, as: UInt8.self)
      return
    }
    let range = type.integerRange
    let sum = x.rounded(.toNearestOrEven) + zeroPoint
    let number =
      sum > Double(range.lowerBound) ? Int32(min(sum, Double(range.upperBound))) : range.lowerBound
    if type.byteWidth == 1 {
      output.storeBytes(
        of: UInt8(truncatingIfNeeded: number), toByteOffset: index, as: UInt8.self)
    } else {
      output.storeBytes(
        of: UInt16(truncatingIfNeeded: number), toByteOffset: index * 2, as: UInt16.self)
    }
  }
}

extension DowngradeContext {
  /// Scales by axis came with opset 13.
  ///
  /// - Throws: `GraftError` if the node's scale is not one for all elements
  func requirePerTensorQuantization(_ node: Node) throws {
    guard opset < 13 else { return }
    guard let shape = type(node.inputs[1])?.shape?.knownShape, shape.elementCount == 1 else {
      throw GraftError.unsupported("it has scales by axis, or may have")
    }
  }
}
