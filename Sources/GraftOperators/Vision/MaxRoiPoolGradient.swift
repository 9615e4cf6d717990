import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``MaxRoiPool``'s input.
///
/// Inputs: dy `[R, C, height, width]`, X, regions. The attributes are those of MaxRoiPool.
struct MaxRoiPoolGradient: Operator {
  static let schema = OperatorSchema(
    "MaxRoiPoolGradient", domain: "graft", since: [1], inputs: 3...3)

  private let bins: RoiBins

  init(_ attributes: AttributeReader) throws { bins = try RoiBins(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    let elementType = try context.elementType(1)
    context.setOutput(0, elementType, nil)
    try context.requireShape(0, try bins.outputShape(context, first: 1))
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
    let regions = try context.input(2).shape[0]
    let bins = bins
    let (images, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
    // Each plane is written by one task.
    return .tasks(images * channels) { arguments, task in
      let (image, channel) = task.quotientAndRemainder(dividingBy: channels)
      let size = height * width
      let x = arguments.input(1, as: Element.self) + task * size
      let dx = arguments.output(0, as: Element.self) + task * size
      dx.update(repeating: 0, count: size)
      for index in 0..<regions {
        let region = try bins.region(
          arguments.input(2, as: Element.self) + 5 * index, images: images)
        guard region.image == image else { continue }
        let dy =
          arguments.input(0, as: Element.self) + (index * channels + channel) * bins.count
        for bin in 0..<bins.count {
          guard let place = bins.indexOfLargest(x, region, bin, height, width) else { continue }
          dx[place] += dy[bin]
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one region", attributes: ["pooled_shape": .ints([1, 2])],
        inputs: [
          .floats([5, -1], [1, 1, 1, 2]), .floats([1, 3, 2, 0], [1, 1, 1, 4]),
          .floats([0, 0, 0, 3, 0], [1, 5]),
        ],
        outputs: [.floats([0, 5, -1, 0], [1, 1, 1, 4])])
    ]
  }
}
