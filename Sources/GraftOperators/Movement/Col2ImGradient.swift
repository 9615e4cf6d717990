import GraftExecution
import GraftGraph
import GraftTensor

/// The gradient of ``Col2Im``: cuts sliding blocks from an image, as columns.
///
/// Inputs: dy `[N, C, …]`, the image's and the block's extents. Output: `[N, C · block elements,
/// blocks]`. The attributes are those of Col2Im.
struct Col2ImGradient: Operator {
  static let schema = OperatorSchema("Col2ImGradient", domain: "graft", since: [1], inputs: 3...3)

  private let attributes: SlidingBlocks.Attributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try SlidingBlocks.Attributes(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(0, .floatingPoint)
    let image = try context.extents(1)
    let blocks = try SlidingBlocks(attributes, image: image, block: context.extents(2))
    try context.requireShape(0, [.unknown, .unknown] + image.map { .known($0) })
    let shape = try context.shape(0)
    let rows = shape[1].map { $0 * blocks.blockSize }
    context.setOutput(0, elementType, [shape[0], rows, .known(blocks.blockCount)])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: try kernel(Float.self, context)
    case .double: try kernel(Double.self, context)
    default: try context.converting(.halfPrecision, to: .float) { try kernel(Float.self, $0) }
    }
  }

  private func kernel<Element: BinaryFloatingPoint & Sendable>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let blocks = try SlidingBlocks(
      attributes, image: context.integers(1) ?? [], block: context.integers(2) ?? [])
    let planes = try context.input(0).shape[..<2].reduce(1, *)
    let (imageCount, size, count) = (blocks.imageCount, blocks.blockSize, blocks.blockCount)
    return .tasks(planes) { arguments, plane in
      let image = arguments.input(0, as: Element.self) + plane * imageCount
      let columns = arguments.output(0, as: Element.self) + plane * size * count
      for element in 0..<size {
        for block in 0..<count {
          columns[element * count + block] = blocks.place(element, block).map { image[$0] } ?? 0
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "blocks that overlap",
        inputs: [
          .floats([1, 5, 4], [1, 1, 1, 3]), .integers([1, 3], [2]), .integers([1, 2], [2]),
        ], outputs: [.floats([1, 5, 5, 4], [1, 2, 2])])
    ]
  }
}
