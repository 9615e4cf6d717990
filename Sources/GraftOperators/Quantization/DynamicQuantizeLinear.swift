import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Quantizes floats to uint8 with the scale and zero point that fit their range, which is extended
/// to contain 0. Outputs: y, scale, zero point.
///
/// Of numbers that are all 0 the scale is 1 / 255, as in the reference implementation; the
/// specification divides by 0 there, and onnxruntime takes 1.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html>
package struct DynamicQuantizeLinear: Operator {
  package static let schema = OperatorSchema(
    "DynamicQuantizeLinear", since: [11], inputs: 1...1, outputs: 3...3)

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.float])
    context.setOutput(0, .uint8, try context.input(0).shape)
    context.setOutput(1, .float, [])
    context.setOutput(2, .uint8, [])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = try context.input(0).elementCount
    let partCount = max(1, min(64, count / 16384))
    let instructionSet = context.instructionSet
    let ranges = PreparedKernel.Phase(taskCount: partCount) { arguments, part in
      guard let scratch = arguments.scratch else { return }
      let elements = evenRange(of: count, part: part, partCount: partCount)
      scratch.assumingMemoryBound(to: graft_range.self)[part + 1] =
        instructionSet.kernels.pointee.quantized.pointee.range(
          arguments.input(0, as: Float.self) + elements.lowerBound, elements.count)
    }
    // The scale and the zero point come before the ranges.
    let choice = PreparedKernel.Phase(taskCount: 1) { arguments, _ in
      guard let scratch = arguments.scratch else { return }
      let ranges = scratch.assumingMemoryBound(to: graft_range.self) + 1
      let (scale, zeroPoint) = DynamicQuantizeLinear.parameters(
        UnsafeBufferPointer(start: ranges, count: partCount))
      scratch.storeBytes(of: scale, as: Float.self)
      scratch.storeBytes(of: Int32(zeroPoint), toByteOffset: 4, as: Int32.self)
      arguments.optionalOutput(1, as: Float.self)?.pointee = scale
      arguments.optionalOutput(2, as: UInt8.self)?.pointee = zeroPoint
    }
    let quantizing = PreparedKernel.Phase.parallel(count: count, grain: 8192) {
      arguments, elements in
      guard let scratch = arguments.scratch, arguments.hasOutput(0) else { return }
      var quantization = graft_quantization(
        scales: scratch.assumingMemoryBound(to: Float.self),
        zero_points: (scratch + 4).assumingMemoryBound(to: Int32.self), step: 0)
      instructionSet.kernels.pointee.quantized.pointee.quantize(
        arguments.input(0, as: Float.self) + elements.lowerBound, &quantization,
        Int32(GRAFT_ROUNDING_NONE), 0, 255, Int32(GRAFT_INTEGER_U8),
        arguments.output(0) + elements.lowerBound, elements.count)
    }
    return PreparedKernel(
      phases: [ranges, choice, quantizing],
      scratchByteCount: (partCount + 1) * MemoryLayout<graft_range>.stride)
  }

  private static func parameters(
    _ ranges: UnsafeBufferPointer<graft_range>
  ) -> (scale: Float, zeroPoint: UInt8) {
    var lowest: Float = 0
    var highest: Float = 0
    for range in ranges {
      // NaN stays NaN.
      if !(range.lowest >= lowest) { lowest = range.lowest }
      if !(range.highest <= highest) { highest = range.highest }
      if range.lowest.isNaN { break }
    }
    let scale = (lowest == highest ? 1 : highest - lowest) / 255
    let zeroPoint = (0 - lowest / scale).rounded(.toNearestOrEven)
    return (scale, zeroPoint > 0 ? UInt8(min(zeroPoint, 255)) : 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both signs", inputs: [.floats([0, 2, -3, -2.5, 1.34, 0.5], [6])],
        outputs: [
          .example([153, 255, 0, 26, 221, 179] as [UInt8], [6]), .floats([0.019_607_844], []),
          .example([153] as [UInt8], []),
        ]),
      OperatorExample(
        "no positive number", inputs: [.floats([-1, -2.1, -1.3, -2.5, -3.34, -4], [2, 3])],
        outputs: [
          .example([191, 121, 172, 96, 42, 0] as [UInt8], [2, 3]), .floats([0.015_686_275], []),
          .example([255] as [UInt8], []),
        ]),
      OperatorExample(
        "nothing but zeros", inputs: [.floats([0, 0], [2])],
        outputs: [
          .example([0, 0] as [UInt8], [2]), .floats([0.003_921_569], []),
          .example([0] as [UInt8], []),
        ]),
    ]
  }
}
