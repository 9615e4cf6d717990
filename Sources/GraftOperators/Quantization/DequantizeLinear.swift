import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// (x - zero point) * scale: the real numbers that integers, or floats of 8 or 4 bits, stand for.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>
package struct DequantizeLinear: Operator {
  package static let schema = OperatorSchema(
    "DequantizeLinear", since: [10, 13, 19, 21, 23, 24, 25, 28], sameSince: 13, inputs: 2...3)

  let axis: QuantizationAxis
  private let outputType: ElementType?

  package init(_ attributes: AttributeReader) throws {
    axis = try QuantizationAxis(attributes)
    outputType = try QuantizeLinear.type("output_dtype", attributes)
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try context.requirePerTensorQuantization(node)
    node.attributes["axis"] = nil
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, Set.quantized.union([.int32]))
    try context.require(1, [.float, .float16, .bfloat16, .float8e8m0])
    try context.requireSameElementType([0, 2])
    let type = try outputType ?? context.elementType(1)
    guard [.float, .float16, .bfloat16].contains(type) else {
      throw GraftError.badData(
        outputType == nil
          ? "scales of \(type) need the attribute 'output_dtype'"
          : "attribute 'output_dtype' is \(type); expected float, float16 or bfloat16")
    }
    context.setOutput(0, type, try context.input(0).shape)
    try axis.check(context)
  }

  /// The elements that are converted at once.
  private static let blockSize = 512

  /// Products are computed as floats, and rounded once.
  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (input, target) = (try context.input(0), try context.output(0).elementType)
    let source = input.elementType
    let granularity = try axis.granularity(input.shape, scale: try context.input(1).shape)
    var scratch = ScratchLayout()
    let instructionSet = context.instructionSet
    let blockSize = DequantizeLinear.blockSize
    guard let integer = source.quantizedInteger else {
      return try floatKernel(context, granularity)
    }
    let parameters = try QuantizationParameters(
      scale: 1, zeroPoint: 2, scratch: &scratch, context)
    let phase = PreparedKernel.Phase.parallel(count: granularity.elementCount, grain: 8192) {
      arguments, elements in
      let table = instructionSet.kernels.pointee.quantized.pointee
      try parameters.withPointers(arguments) { scales, zeroPoints in
        func dequantize(_ elements: Range<Int>, to y: UnsafeMutablePointer<Float>) {
          granularity.forEachRun(in: elements) { position, count, scale, step in
            var quantization = graft_quantization(
              scales: scales + scale, zero_points: zeroPoints + scale, step: step)
            table.dequantize(
              integer, arguments.input(0) + position * source.byteWidth, &quantization,
              y + (position - elements.lowerBound), count)
          }
        }
        guard target != .float else {
          dequantize(elements, to: arguments.output(0, as: Float.self) + elements.lowerBound)
          return
        }
        guard let block = arguments.workerScratch?.assumingMemoryBound(to: Float.self) else {
          return
        }
        for start in stride(from: elements.lowerBound, to: elements.upperBound, by: blockSize) {
          let part = start..<min(start + blockSize, elements.upperBound)
          dequantize(part, to: block)
          try ElementConversion.convert(
            block, .float, to: arguments.output(0) + start * target.byteWidth, target,
            count: part.count)
        }
      }
    }
    return PreparedKernel(
      phases: [parameters.phase, phase].compactMap { $0 }, scratchByteCount: scratch.byteCount,
      workerScratchByteCount: target == .float ? 0 : blockSize * MemoryLayout<Float>.size)
  }

  /// Of floats of 8 or 4 bits.
  private func floatKernel(
    _ context: PrepareContext, _ granularity: QuantizationGranularity
  ) throws -> PreparedKernel {
    let source = try context.input(0).elementType
    let target = try context.output(0).elementType
    var scratch = ScratchLayout()
    let scales = try ConvertedInput(1, to: .float, scratch: &scratch, context)
    let zeroPoints =
      context.hasInput(2) ? try ConvertedInput(2, to: .float, scratch: &scratch, context) : nil
    let converted = [scales, zeroPoints].compactMap { $0 }
    let conversion = PreparedKernel.Phase(taskCount: converted.count) { arguments, task in
      try converted[task].convert(arguments)
    }
    let blockSize = DequantizeLinear.blockSize
    let phase = PreparedKernel.Phase.parallel(count: granularity.elementCount, grain: 8192) {
      arguments, elements in
      guard let x = arguments.workerScratch?.assumingMemoryBound(to: Float.self),
        let scales = scales.pointer(arguments)?.assumingMemoryBound(to: Float.self)
      else { return }
      let zeroPoints = zeroPoints?.pointer(arguments)?.assumingMemoryBound(to: Float.self)
      for start in stride(from: elements.lowerBound, to: elements.upperBound, by: blockSize) {
        let part = start..<min(start + blockSize, elements.upperBound)
        try ElementConversion.convert(
          arguments.input(0) + start, source, to: x, .float, count: part.count)
        granularity.forEachRun(in: part) { position, count, scale, step in
          for index in 0..<count {
            let place = scale + index * step
            let zeroPoint = zeroPoints?[place] ?? 0
            x[position - start + index] = (x[position - start + index] - zeroPoint) * scales[place]
          }
        }
        try ElementConversion.convert(
          x, .float, to: arguments.output(0) + start * target.byteWidth, target,
          count: part.count)
      }
    }
    return PreparedKernel(
      phases: [conversion, phase], scratchByteCount: scratch.byteCount,
      workerScratchByteCount: blockSize * MemoryLayout<Float>.size)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one scale",
        inputs: [
          .example([0, 3, 128, 255] as [UInt8], [4]), .floats([2], []),
          .example([128] as [UInt8], []),
        ],
        outputs: [.floats([-256, -250, 0, 254], [4])]),
      OperatorExample(
        "by axis",
        inputs: [
          .example([1, 2, 3, 4, -5, 6] as [Int8], [1, 3, 2]), .floats([1, 0.5, 4], [3]),
          .example([0, 10, -1] as [Int8], [3]),
        ],
        outputs: [.floats([1, 2, -3.5, -3, -16, 28], [1, 3, 2])]),
      OperatorExample(
        "by blocks", attributes: ["axis": .int(0), "block_size": .int(2)],
        inputs: [
          .example([1, 2, 3, 4, 5, 6] as [Int16], [3, 2]), .floats([1, 0.5, 4, 3], [2, 2]),
        ],
        outputs: [.floats([1, 1, 3, 2, 20, 18], [3, 2])]),
      OperatorExample(
        "of a bias",
        inputs: [.example([-7, 1 << 20] as [Int32], [2]), .floats([0.5, 0.25], [2])],
        outputs: [.floats([-3.5, 262144], [2])]),
      // The specification expects 0 as the zero point of int32; other runtimes subtract others too.
      OperatorExample(
        "of int32 with a zero point",
        inputs: [
          .example([1, 5, -9] as [Int32], [3]), .floats([0.5], []),
          .example([3] as [Int32], []),
        ],
        outputs: [.floats([-1, 1, -6], [3])]),
    ]
  }
}
