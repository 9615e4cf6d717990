import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``RoiAlign``'s input.
///
/// Inputs: dy `[R, C, output_height, output_width]`, then those of RoiAlign, of whose X only the
/// maximum's gradient reads more than the shape. The attributes are those of RoiAlign.
struct RoiAlignGradient: Operator {
  static let schema = OperatorSchema("RoiAlignGradient", domain: "graft", since: [1], inputs: 4...4)

  private let sampling: RoiSampling

  init(_ attributes: AttributeReader) throws { sampling = try RoiSampling(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.require(3, [.int64])
    let elementType = try context.elementType(1)
    context.setOutput(0, elementType, nil)
    let shape = try sampling.outputShape(context, first: 1)
    try context.requireShape(0, shape)
    context.setOutput(0, elementType, try context.shape(1))
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
    let shape = try context.input(1).shape
    let (images, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    let regions = try context.input(2).shape[0]
    let sampling = sampling
    let sampleBytes = sampling.byteCount(Element.self, height: height, width: width)
    let (rows, columns) = (sampling.outputHeight, sampling.outputWidth)
    guard images * channels * height * width > 0 else { return .tasks(0) { _, _ in } }
    // Each plane is written by one task, which goes through the regions of its image in order.
    let chunk = 32
    let chunkCount = (channels + chunk - 1) / chunk
    return .tasks(
      images * chunkCount,
      workerScratchByteCount: sampleBytes + width * MemoryLayout<Element>.stride
    ) { arguments, task in
      guard let scratch = arguments.workerScratch else { return }
      let (image, part) = task.quotientAndRemainder(dividingBy: chunkCount)
      let range = (part * chunk)..<min(channels, (part + 1) * chunk)
      let sums = (scratch + sampleBytes).assumingMemoryBound(to: Element.self)
      let size = height * width
      let dx = arguments.output(0, as: Element.self) + image * channels * size
      (dx + range.lowerBound * size).update(repeating: 0, count: range.count * size)
      for region in 0..<regions {
        guard try arguments.image(ofRegion: region, input: 3, count: images) == image else {
          continue
        }
        let samples = try sampling.place(
          arguments.input(2, as: Element.self) + 4 * region, height: height, width: width, scratch)
        for channel in range {
          let bins =
            arguments.input(0, as: Element.self) + (region * channels + channel) * rows * columns
          let target = dx + channel * size
          switch sampling.mode {
          case .average:
            samples.addAverage(bins, width: width, rows, columns, to: target, sums: sums)
          case .maximum:
            let plane =
              arguments.input(1, as: Element.self) + (image * channels + channel) * size
            for bin in 0..<(rows * columns) {
              guard
                let term = samples.largest(
                  plane, width: width, row: bin / columns, column: bin % columns)
              else { continue }
              target[term.index] += term.weight * bins[bin]
            }
          }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let image = Tensor.floats([1, 2, 3, 4], [1, 1, 2, 2])
    let region = Tensor.floats([0.5, 0.5, 1.5, 1.5], [1, 4])
    return [
      OperatorExample(
        "mean of one sample",
        inputs: [.floats([4], [1, 1, 1, 1]), image, region, .integers([0], [1])],
        outputs: [.floats([1, 1, 1, 1], [1, 1, 2, 2])]),
      OperatorExample(
        "maximum of one sample", attributes: ["mode": .string("max")],
        inputs: [.floats([4], [1, 1, 1, 1]), image, region, .integers([0], [1])],
        outputs: [.floats([0, 0, 0, 1], [1, 1, 2, 2])]),
      OperatorExample(
        "no regions",
        inputs: [.floats([], [0, 1, 1, 1]), image, .floats([], [0, 4]), .integers([], [0])],
        outputs: [.floats([0, 0, 0, 0], [1, 1, 2, 2])]),
    ]
  }
}
