/// Adds the columns of sliding blocks up to the image they were cut from.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Col2Im.html>
struct Col2Im: Operator {
  static let schema = OperatorSchema("Col2Im", since: [18], inputs: 3...3)

  let strides: [Int]?
  let pads: [Int]?
  let dilations: [Int]?

  init(_ attributes: AttributeReader) throws {
    strides = try attributes.ints("strides")
    pads = try attributes.ints("pads")
    dilations = try attributes.ints("dilations")
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(0, .realNumbers)
    let shape = try context.shape(0)
    guard shape.count == 3 else {
      throw GraftError.badData("input 0 has rank \(shape.count); expected 3")
    }
    let axes = try axes(image: context.extents(1), block: context.extents(2))
    let blockSize = axes.reduce(1) { $0 * $1.blockExtent }
    try context.requireShape(
      0, [.unknown, .unknown, .known(axes.reduce(1) { $0 * $1.blockCount })])
    let channels = try shape[1].map { channels in
      guard channels % blockSize == 0 else {
        throw GraftError.badData("\(channels) rows are no multiple of \(blockSize) block elements")
      }
      return channels / blockSize
    }
    let result = [shape[0], channels] + axes.map { .known($0.imageExtent) }
    _ = try result.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, result)
  }

  /// How blocks slide along one axis of the image.
  private struct Axis {
    let imageExtent: Int
    let blockExtent: Int
    let blockCount: Int
    let stride: Int
    let dilation: Int
    let padding: Int
  }

  private func axes(image: Shape, block: Shape) throws -> [Axis] {
    let count = image.count
    let strides = strides ?? Array(repeating: 1, count: count)
    let dilations = dilations ?? Array(repeating: 1, count: count)
    let pads = pads ?? Array(repeating: 0, count: 2 * count)
    guard block.count == count, strides.count == count, dilations.count == count,
      pads.count == 2 * count, (strides + dilations + block).allSatisfy({ 1...1 << 31 ~= $0 }),
      (pads + image).allSatisfy({ 0...1 << 31 ~= $0 })
    else {
      throw GraftError.badData(
        "image \(image), blocks \(block), strides \(strides), dilations \(dilations) and pads "
          + "\(pads) do not fit")
    }
    _ = try block.checkedElementCount()
    let axes = (0..<count).map { axis in
      let room = image[axis] + pads[axis] + pads[count + axis] - dilations[axis] * (block[axis] - 1)
      return Axis(
        imageExtent: image[axis], blockExtent: block[axis],
        blockCount: room < 1 ? 0 : (room - 1) / strides[axis] + 1, stride: strides[axis],
        dilation: dilations[axis], padding: pads[axis])
    }
    _ = try axes.map(\.blockCount).checkedElementCount()
    return axes
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    let axes = try axes(image: context.integers(1) ?? [], block: context.integers(2) ?? [])
    switch type {
    case .float: return try kernel(Float.self, context, axes)
    case .double: return try kernel(Double.self, context, axes)
    case .int64: return try kernel(Int64.self, context, axes) { $0 &+ $1 }
    case .float16, .bfloat16:
      return try context.converting([type], to: .float) { try kernel(Float.self, $0, axes) }
    default:
      // The low bits of a sum are those of the sum of the low bits.
      return try context.converting([type], to: .int64) {
        try kernel(Int64.self, $0, axes) { $0 &+ $1 }
      }
    }
  }

  private func kernel<Element: AdditiveArithmetic & Sendable>(
    _: Element.Type, _ context: PrepareContext, _ axes: [Axis],
    _ add: @escaping @Sendable (Element, Element) -> Element = { $0 + $1 }
  ) throws -> PreparedKernel {
    let planes = try context.output(0).shape[..<2].reduce(1, *)
    let imageCount = axes.reduce(1) { $0 * $1.imageExtent }
    let blockSize = axes.reduce(1) { $0 * $1.blockExtent }
    let blockCount = axes.reduce(1) { $0 * $1.blockCount }
    let imageStrides = axes.map(\.imageExtent).denseStrides
    /// Where an element of a block lies in the image; `nil` in the padding.
    @Sendable func place(_ element: Int, _ block: Int) -> Int? {
      var (element, block) = (element, block)
      var place = 0
      for (number, axis) in axes.enumerated().reversed() {
        let index =
          block % axis.blockCount * axis.stride + element % axis.blockExtent * axis.dilation
          - axis.padding
        guard index >= 0, index < axis.imageExtent else { return nil }
        place += index * imageStrides[number]
        element /= axis.blockExtent
        block /= axis.blockCount
      }
      return place
    }
    return .tasks(planes) { arguments, plane in
      let columns =
        arguments.input(0, as: Element.self) + plane * blockSize * blockCount
      let image = arguments.output(0, as: Element.self) + plane * imageCount
      image.update(repeating: .zero, count: imageCount)
      for element in 0..<blockSize {
        for block in 0..<blockCount {
          guard let place = place(element, block) else { continue }
          image[place] = add(image[place], columns[element * blockCount + block])
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "blocks that overlap",
        inputs: [
          .floats([1, 2, 3, 4], [1, 2, 2]), .integers([1, 3], [2]), .integers([1, 2], [2]),
        ], outputs: [.floats([1, 5, 4], [1, 1, 1, 3])]),
      OperatorExample(
        "padding and strides",
        attributes: ["pads": .ints([0, 1, 0, 1]), "strides": .ints([1, 2])],
        inputs: [
          .integers([1, 2, 3, 4], [1, 2, 2]), .integers([1, 2], [2]), .integers([1, 2], [2]),
        ], outputs: [.integers([3, 2], [1, 1, 1, 2])]),
    ]
  }
}
