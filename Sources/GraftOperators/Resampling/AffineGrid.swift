import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A sampling grid for ``GridSample``: evenly spaced positions from -1 to 1, mapped by affine
/// matrices.
///
/// theta is `[N, 2, 3]` or `[N, 3, 4]`; the grid `[N, H, W, 2]` or `[N, D, H, W, 3]`, x first.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__AffineGrid.html>
struct AffineGrid: Operator {
  static let schema = OperatorSchema("AffineGrid", since: [20], inputs: 2...2)

  let alignsCorners: Bool

  init(_ attributes: AttributeReader) throws {
    alignsCorners = try attributes.flag("align_corners")
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(0, .floatingPoint)
    try context.require(1, [.int64])
    let size = try context.extents(1)
    guard size.count == 4 || size.count == 5 else {
      throw GraftError.badData("the size \(size) has \(size.count) extents; expected 4 or 5")
    }
    let axes = size.count - 2
    try context.requireShape(0, [.known(size[0]), .known(axes), .known(axes + 1)])
    let shape = [size[0]] + size[2...] + [axes]
    _ = try shape.checkedElementCount()
    context.setOutput(0, elementType, [Dimension](shape))
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
    let shape = try context.output(0).shape
    let extents = Array(shape[1..<shape.count - 1])
    let axes = extents.count
    // The positions of the indices along each axis.
    let positions = extents.map { extent in
      (0..<extent).map { index -> Element in
        if alignsCorners {
          return extent == 1 ? 0 : Element(-1 + 2 * Double(index) / Double(extent - 1))
        }
        return Element(-1 + (2 * Double(index) + 1) / Double(extent))
      }
    }
    let pixelCount = extents.reduce(1, *)
    return .parallel(count: shape[0] * pixelCount, grain: 4096) { arguments, range in
      for pixel in range {
        let theta =
          arguments.input(0, as: Element.self) + pixel / pixelCount * axes * (axes + 1)
        let grid = arguments.output(0, as: Element.self) + pixel * axes
        for row in 0..<axes {
          let weights = theta + row * (axes + 1)
          var sum = weights[axes]
          var rest = pixel % pixelCount
          // The last axis of the image is x, the first coordinate.
          for axis in extents.indices.reversed() {
            sum += weights[axes - 1 - axis] * positions[axis][rest % extents[axis]]
            rest /= extents[axis]
          }
          grid[row] = sum
        }
      }
    }
  }

  /// The gradient of theta: for each coordinate its gradient times the position (x, y, 1), summed
  /// over pixels.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let theta = try builder.input(0)
    guard let axes = builder.type(of: theta)?.shape?.dropFirst().first?.known else {
      throw GraftError(.software, "a gradient needs the shape of every value")
    }
    // The grid of the identity consists of the positions.
    let identity = (0..<axes * (axes + 1)).map { $0 / (axes + 1) == $0 % (axes + 1) ? 1.0 : 0 }
    let matrix = builder.addConstant(try Tensor(identity, shape: [1, axes, axes + 1]))
    let matrices = builder.add(
      "Expand", [builder.add("CastLike", [matrix, theta]), builder.add("Shape", [theta])])
    let grid = builder.add(
      "AffineGrid", [matrices, try builder.input(1)], attributes: builder.node.attributes)
    let pixels = try builder.addIntegers([0, -1, axes])
    let positions = builder.add("Reshape", [grid, pixels])
    let arriving = builder.add("Reshape", [try builder.outputGradient(), pixels])
    let byPosition = builder.add(
      "MatMul",
      [builder.add("Transpose", [arriving], attributes: ["perm": .ints([0, 2, 1])]), positions])
    let sums = builder.add(
      "Unsqueeze",
      [
        builder.add(
          "ReduceSum", [arriving, try builder.addIntegers([1])], attributes: ["keepdims": .int(0)]),
        try builder.addIntegers([2]),
      ])
    builder.setInputGradient(
      0, builder.add("Concat", [byPosition, sums], attributes: ["axis": .int(2)]))
  }

  static var examples: [OperatorExample] {
    let theta = Tensor.floats([1, 0, 0.5, 0, 2, 0], [1, 2, 3])
    return [
      OperatorExample(
        "centres", inputs: [theta, .integers([1, 1, 1, 2], [4])],
        outputs: [.floats([0, 0, 1, 0], [1, 1, 2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "corners", attributes: ["align_corners": .int(1)],
        inputs: [theta, .integers([1, 1, 2, 2], [4])],
        outputs: [.floats([-0.5, -2, 1.5, -2, -0.5, 2, 1.5, 2], [1, 2, 2, 2])],
        differentiableInputs: [0]),
    ]
  }
}
