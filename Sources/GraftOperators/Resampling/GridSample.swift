import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Samples X `[N, C, D1, …, Dr]` at the positions of a grid `[N, O1, …, Or, r]`, from -1 to 1 along
/// each axis, with the last axis' coordinate first.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GridSample.html>
struct GridSample: Operator {
  static let schema = OperatorSchema(
    "GridSample", since: [16, 20, 22], sameSince: 20, inputs: 2...2)

  let sampling: GridSampling

  init(_ attributes: AttributeReader) throws { sampling = try GridSampling(attributes) }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 20, case .string(let mode)? = node.attributes["mode"] else { return }
    let newNames = ["bilinear": "linear", "bicubic": "cubic"]
    node.attributes["mode"] = .string(newNames[mode] ?? mode)
  }

  /// Before opset 20 only images are supported.
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let isImage = context.type(node.inputs[0])?.shape.map { $0.count == 4 }
    guard isImage ?? context.isFromFile(before: 20) else {
      throw GraftError.unsupported("its input may not be an image")
    }
    guard case .string(let mode)? = node.attributes["mode"] else { return }
    let oldNames = ["linear": "bilinear", "cubic": "bicubic"]
    node.attributes["mode"] = .string(oldNames[mode] ?? mode)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(0, .realNumbers)
    try context.require(1, .floatingPoint)
    let shape = try context.shape(0)
    let grid = try context.shape(1)
    guard shape.count >= 3, grid.count == shape.count,
      shape[0].isCompatible(with: grid[0]),
      grid[grid.count - 1].isCompatible(with: .known(shape.count - 2))
    else {
      throw GraftError.badData("a grid of shape \(grid) does not fit an input of shape \(shape)")
    }
    guard shape.count <= 10 else {
      throw GraftError.unsupported("more than 8 spatial axes")
    }
    let result = Array(shape[..<2]) + grid[1..<grid.count - 1]
    if let output = result.knownShape, let input = shape.knownShape {
      guard try output.checkedElementCount() == 0 || input.checkedElementCount() > 0 else {
        throw GraftError.badData("there is nothing to sample in an input of shape \(shape)")
      }
    }
    context.setOutput(0, elementType, result)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let limits = try context.input(0).elementType.realRange
    return try GridSampling.kernel(
      context, inputs: [0, 1], float: { try kernel(Float.self, limits, $0) },
      double: { try kernel(Double.self, limits, $0) })
  }

  /// - Parameter limits: what an integer output can hold: the conversion to it would wrap
  private func kernel<Element: BinaryFloatingPoint & Sendable>(
    _: Element.Type, _ limits: ClosedRange<Double>?, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let input = try context.input(0)
    let channels = input.shape[1]
    let extents = Array(input.shape[2...])
    let strides = extents.denseStrides
    let planeCount = extents.reduce(1, *)
    let pixelCount = try context.output(0).shape[2...].reduce(1, *)
    let sampling = sampling
    let rank = extents.count
    let tapsPerAxis = GridSampling.tapsPerAxis
    return .parallel(count: input.shape[0] * pixelCount, grain: max(1, 1024 / max(1, channels))) {
      arguments, range in
      let grid = arguments.input(1, as: Element.self)
      withUnsafeTemporaryAllocation(of: GridSampling.Tap.self, capacity: rank * tapsPerAxis) {
        taps in
        withUnsafeTemporaryAllocation(of: Int.self, capacity: rank) { counts in
          for position in range {
            let (batch, pixel) = position.quotientAndRemainder(dividingBy: pixelCount)
            var combinations = 1
            for axis in 0..<rank {
              counts[axis] = sampling.fill(
                UnsafeMutableBufferPointer(
                  rebasing: taps[axis * tapsPerAxis..<(axis + 1) * tapsPerAxis]),
                at: Double(grid[position * rank + rank - 1 - axis]), extent: extents[axis])
              combinations *= counts[axis]
            }
            for channel in 0..<channels {
              let plane = batch * channels + channel
              let source = arguments.input(0, as: Element.self) + plane * planeCount
              var sum = 0.0
              for combination in 0..<combinations {
                var rest = combination
                var weight = 1.0
                var place = 0
                for axis in (0..<rank).reversed() {
                  let tap = taps[axis * tapsPerAxis + rest % counts[axis]]
                  rest /= counts[axis]
                  weight *= tap.weight
                  place += tap.index * strides[axis]
                }
                sum += weight * Double(source[place])
              }
              if let limits { sum = sum.limited(to: limits) }
              arguments.output(0, as: Element.self)[plane * pixelCount + pixel] = Element(sum)
            }
          }
        }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) || builder.needs(1) else { return }
    let gradients = builder.add(
      "GridSampleGradient", domain: "graft",
      [try builder.outputGradient(), try builder.input(0), try builder.input(1)],
      attributes: builder.node.attributes, outputCount: 2)
    for index in 0...1 where builder.needs(index) {
      builder.setInputGradient(index, gradients[index])
    }
  }

  static var examples: [OperatorExample] {
    let image = Tensor.floats([1, 2, 3, 4], [1, 1, 2, 2])
    let grid = Tensor.floats([0, 0, -1, -1, 0.5, -0.5], [1, 1, 3, 2])
    let squares = Tensor.floats(
      [1, 3, 5, 8, 11, 15, 19, 23, 27, 32, 36, 42, 47, 52, 58, 64], [1, 1, 4, 4])
    // Left of the image, inside, below it.
    let places = Tensor.floats([-1.3, 0.2, 0.35, -0.6, 0.7, 1.45], [1, 1, 3, 2])
    func smooth(_ mode: String, _ padding: String, _ values: [Float]) -> OperatorExample {
      OperatorExample(
        "\(mode), \(padding) outside",
        attributes: ["mode": .string(mode), "padding_mode": .string(padding)],
        inputs: [squares, places], outputs: [.floats(values, [1, 1, 1, 3])],
        tolerance: 1e-5, differentiableInputs: [0, 1])
    }
    return [
      OperatorExample(
        "linear, zeros outside", inputs: [image, grid],
        outputs: [.floats([2.5, 0.25, 2], [1, 1, 1, 3])], differentiableInputs: [0]),
      OperatorExample(
        "aligned corners", attributes: ["align_corners": .int(1)], inputs: [image, grid],
        outputs: [.floats([2.5, 1, 2.25], [1, 1, 1, 3])], differentiableInputs: [0]),
      OperatorExample(
        "nearest, from the border",
        attributes: ["mode": .string("nearest"), "padding_mode": .string("border")],
        inputs: [image, .floats([-3, 3, 0.9, -0.9], [1, 1, 2, 2])],
        outputs: [.floats([3, 2], [1, 1, 1, 2])], differentiableInputs: [0, 1]),
      smooth("linear", "zeros", [0, 9.86, 0]),
      smooth("linear", "border", [25.4, 9.86, 63.4]),
      smooth("linear", "reflection", [25.89, 9.86, 54.6]),
      smooth("cubic", "zeros", [-1.4908303, 9.831481, -7.2831602]),
      smooth("cubic", "border", [24.54051, 8.908793, 63.548492]),
      smooth("cubic", "reflection", [24.918623, 8.908793, 56.36344]),
    ]
  }
}
