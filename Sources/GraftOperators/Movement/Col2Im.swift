import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Adds the columns of sliding blocks to the image that they were cut from.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Col2Im.html>
struct Col2Im: Operator {
  static let schema = OperatorSchema("Col2Im", since: [18], inputs: 3...3)

  private let attributes: SlidingBlocks.Attributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try SlidingBlocks.Attributes(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(0, .realNumbers)
    let shape = try context.shape(0)
    guard shape.count == 3 else {
      throw GraftError.badData("input 0 has rank \(shape.count); expected 3")
    }
    let blocks = try SlidingBlocks(
      attributes, image: context.extents(1), block: context.extents(2))
    let blockSize = blocks.blockSize
    try context.requireShape(0, [.unknown, .unknown, .known(blocks.blockCount)])
    let channels = try shape[1].map { channels in
      guard channels % blockSize == 0 else {
        throw GraftError.badData("\(channels) rows are not a multiple of \(blockSize)")
      }
      return channels / blockSize
    }
    let result = [shape[0], channels] + blocks.axes.map { .known($0.imageExtent) }
    _ = try result.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, result)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    let blocks = try SlidingBlocks(
      attributes, image: context.integers(1) ?? [], block: context.integers(2) ?? [])
    switch type {
    case .float: return try kernel(Float.self, context, blocks)
    case .double: return try kernel(Double.self, context, blocks)
    case .int64: return try kernel(Int64.self, context, blocks) { $0 &+ $1 }
    case .float16, .bfloat16:
      return try context.converting([type], to: .float) { try kernel(Float.self, $0, blocks) }
    default:
      // The low bits of a sum depend only on the low bits of its terms.
      return try context.converting([type], to: .int64) {
        try kernel(Int64.self, $0, blocks) { $0 &+ $1 }
      }
    }
  }

  private func kernel<Element: AdditiveArithmetic & Sendable>(
    _: Element.Type, _ context: PrepareContext, _ blocks: SlidingBlocks,
    _ add: @escaping @Sendable (Element, Element) -> Element = { $0 + $1 }
  ) throws -> PreparedKernel {
    let planes = try context.output(0).shape[..<2].reduce(1, *)
    let (imageCount, blockSize, blockCount) = (
      blocks.imageCount, blocks.blockSize, blocks.blockCount
    )
    return .tasks(planes) { arguments, plane in
      let columns =
        arguments.input(0, as: Element.self) + plane * blockSize * blockCount
      let image = arguments.output(0, as: Element.self) + plane * imageCount
      image.update(repeating: .zero, count: imageCount)
      for element in 0..<blockSize {
        for block in 0..<blockCount {
          guard let place = blocks.place(element, block) else { continue }
          image[place] = add(image[place], columns[element * blockCount + block])
        }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "Col2ImGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(1), try builder.input(2)],
        attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "blocks that overlap",
        inputs: [
          .floats([1, 2, 3, 4], [1, 2, 2]), .integers([1, 3], [2]), .integers([1, 2], [2]),
        ], outputs: [.floats([1, 5, 4], [1, 1, 1, 3])], differentiableInputs: [0]),
      OperatorExample(
        "two axes, two channels, dilated",
        attributes: ["dilations": .ints([1, 2]), "pads": .ints([1, 0, 0, 1])],
        inputs: [
          .floats((0..<32).map { Float($0 % 7) - 3 }, [1, 8, 4]), .integers([2, 3], [2]),
          .integers([2, 2], [2]),
        ],
        outputs: [.floats([-3, -1, 5, 0, 1, -3, 1, 3, -5, 2, 3, -1], [1, 2, 2, 3])],
        differentiableInputs: [0]),
      OperatorExample(
        "padding and strides",
        attributes: ["pads": .ints([0, 1, 0, 1]), "strides": .ints([1, 2])],
        inputs: [
          .integers([1, 2, 3, 4], [1, 2, 2]), .integers([1, 2], [2]), .integers([1, 2], [2]),
        ], outputs: [.integers([3, 2], [1, 1, 1, 2])]),
    ]
  }
}
