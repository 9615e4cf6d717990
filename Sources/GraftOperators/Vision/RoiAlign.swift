import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Divides regions of interest into bins, and gives the mean or the maximum of each bin's samples,
/// which are interpolated between elements.
///
/// Inputs: X `[N, C, H, W]`, regions `[R, 4]` as x1, y1, x2, y2, their images `[R]`. Output `[R, C,
/// output_height, output_width]`. The maximum is that of the weighted elements before they are
/// added, as in ONNX's test cases.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RoiAlign.html>
struct RoiAlign: Operator {
  static let schema = OperatorSchema("RoiAlign", since: [10, 16, 22], sameSince: 16, inputs: 3...3)
  static let isLaborious = true

  private let sampling: RoiSampling

  init(_ attributes: AttributeReader) throws { sampling = try RoiSampling(attributes) }

  /// Before opset 16 coordinates are not shifted by half a pixel.
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 16 else { return }
    node.attributes["coordinate_transformation_mode"] = .string("output_half_pixel")
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard opset >= 10 else { throw GraftError.unsupported("the operator is newer") }
    guard
      try AttributeReader(node.attributes).string("coordinate_transformation_mode")
        == "output_half_pixel"
    else { throw GraftError.unsupported("coordinates are shifted by half a pixel") }
    node.attributes["coordinate_transformation_mode"] = nil
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    try context.require(2, [.int64])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    context.setOutput(0, elementType, try sampling.outputShape(context, first: 0))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: return try kernel(Float.self, context)
    case .double: return try kernel(Double.self, context)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: RealElement>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (images, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let regions = try context.input(1).shape[0]
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    guard images * height * width > 0 else {
      throw GraftError.badData("there is nothing to sample in an input of shape \(shape)")
    }
    let sampling = sampling
    let sampleBytes = sampling.byteCount(Element.self, height: height, width: width)
    let (rows, columns) = (sampling.outputHeight, sampling.outputWidth)
    // Samples are placed once for some channels.
    let chunk = 32
    let chunkCount = (channels + chunk - 1) / chunk
    return .tasks(
      regions * chunkCount,
      workerScratchByteCount: sampleBytes + width * MemoryLayout<Element>.stride
    ) { arguments, task in
      guard let scratch = arguments.workerScratch else { return }
      let (region, part) = task.quotientAndRemainder(dividingBy: chunkCount)
      let image = try arguments.image(ofRegion: region, input: 2, count: images)
      let axes = try sampling.place(
        arguments.input(1, as: Element.self) + 4 * region, height: height, width: width, scratch)
      let sums = (scratch + sampleBytes).assumingMemoryBound(to: Element.self)
      for channel in (part * chunk)..<min(channels, (part + 1) * chunk) {
        let plane =
          arguments.input(0, as: Element.self) + (image * channels + channel) * height * width
        let bins =
          arguments.output(0, as: Element.self) + (region * channels + channel) * rows * columns
        switch sampling.mode {
        case .average: axes.average(plane, width: width, rows, columns, to: bins, sums: sums)
        case .maximum:
          for bin in 0..<(rows * columns) {
            bins[bin] =
              axes.largest(plane, width: width, row: bin / columns, column: bin % columns)?.value
              ?? 0
          }
        }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "RoiAlignGradient", domain: "graft",
        [
          try builder.outputGradient(), try builder.input(0), try builder.input(1),
          try builder.input(2),
        ], attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let image = Tensor.floats((0..<24).map { Float(($0 * 7) % 13) - 4 }, [2, 1, 3, 4])
    let regions = Tensor.floats([0.25, 0.5, 3, 2.25, -1.5, 0, 5, 4, 1, 1, 1.5, 1.25], [3, 4])
    let images = Tensor.integers([0, 1, 0], [3])
    return [
      OperatorExample(
        "mean", attributes: ["output_height": .int(2), "output_width": .int(2)],
        inputs: [image, regions, images],
        outputs: [
          .floats(
            [
              -0.0625, 0.015625, 1.6875, 1.765625, 0.9375, 0.1953125, 3.1875, 2.4453125, 1.5, 3.25,
              1.75, 3.5,
            ], [3, 1, 2, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "mean of two by two samples, without a shift",
        attributes: [
          "output_height": .int(1), "output_width": .int(2), "sampling_ratio": .int(2),
          "spatial_scale": .float(0.5),
          "coordinate_transformation_mode": .string("output_half_pixel"),
        ],
        inputs: [image, regions, images],
        outputs: [
          .floats([0.78125, 3.4609375, 2.59375, 2.203125, 3.25, 3.5], [3, 1, 1, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "maximum",
        attributes: [
          "output_height": .int(2), "output_width": .int(1), "mode": .string("max"),
          "sampling_ratio": .int(3),
        ],
        inputs: [image, regions, images],
        outputs: [
          .floats([3.1901042, 4.283854, 3.3333333, 6.0, 2.7690973, 3.3420138], [3, 1, 2, 1])
        ],
        differentiableInputs: [0]),
    ]
  }
}
