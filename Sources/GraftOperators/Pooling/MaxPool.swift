import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The largest element of each window, and its position. NaN counts as larger than everything.
///
/// A window within the padding gives the type's lowest value, and the index -1.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MaxPool.html>
package struct MaxPool: Operator {
  package static let schema = OperatorSchema(
    "MaxPool", since: [1, 8, 10, 11, 12, 22], sameSince: 10, inputs: 1...1, outputs: 1...2)
  package static let widening = Widening.isExact
  package static let isLaborious = true

  package let window: PoolingWindow
  /// Whether the first spatial axis of indices varies fastest.
  let isColumnMajor: Bool
  private let attributes: [ByteString: Attribute]

  package init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(attributes)
    isColumnMajor = try attributes.flag("storage_order")
    self.attributes = attributes.attributes
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.dropDilationsOfOne()
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(1, .int64, nil)
    try window.infer(&context, .floatingPoint.union([.int8, .uint8]))
    context.setOutput(1, .int64, try window.outputShape(context.shape(0)))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float:
      if !context.hasOutput(1), let kernel = try planarKernel(context) { return kernel }
      return try kernel(context, lowest: -Float.infinity)
    case .double: return try kernel(context, lowest: -Double.infinity)
    case .int8: return try kernel(context, lowest: Int8.min)
    case .uint8: return try kernel(context, lowest: UInt8.min)
    default: return try context.converting([type], to: .float) { try prepare($0) }
    }
  }

  private func planarKernel(_ context: PrepareContext) throws -> PreparedKernel? {
    let geometry = try PoolGeometry(window, inputShape: context.input(0).shape)
    guard let pool = geometry.planar() else { return nil }
    return PoolGeometry.rowsKernel(
      pool, planeCount: geometry.planeCount, context.instructionSet
    ) { $0.pointee.max_pool }
  }

  private func kernel<Element: TensorElement & Comparable>(
    _ context: PrepareContext, lowest: Element
  ) throws -> PreparedKernel {
    let geometry = try PoolGeometry(window, inputShape: context.input(0).shape)
    let isColumnMajor = isColumnMajor
    let hasValues = context.hasOutput(0)
    let hasIndices = context.hasOutput(1)
    return PreparedKernel.parallel(count: geometry.planeCount, grain: geometry.grain()) {
      arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let y = hasValues ? arguments.output(0, as: Element.self) : nil
      let indices = hasIndices ? arguments.output(1, as: Int64.self) : nil
      for plane in planes {
        let inputStart = plane * geometry.inputCount
        let outputStart = plane * geometry.outputCount
        let x = x + inputStart
        geometry.forEachWindow { index, window in
          let best = window.indexOfLargest(x)
          y?[outputStart + index] = best < 0 ? lowest : x[best]
          guard let indices else { return }
          let place = isColumnMajor ? geometry.columnMajorIndex(best) : best
          indices[outputStart + index] = best < 0 ? -1 : Int64(inputStart + place)
        }
      }
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.outputGradients.count < 2 || builder.outputGradients[1] == nil else {
      throw GraftError.badData("the indices of a MaxPool have no gradient")
    }
    builder.setInputGradient(
      0,
      builder.add(
        "MaxPoolGradient", domain: "graft", [try builder.outputGradient(), try builder.input(0)],
        attributes: attributes))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x2, stride 2",
        attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])],
        inputs: [
          .floats(
            [-2.5, 1, -1, 0, -3.5, 3, -4, -0.5, -2, 2.5, 3.5, -3, 2, -1.5, 0.5, 1.5], [1, 1, 4, 4])
        ],
        outputs: [.floats([3, 0, 2.5, 3.5], [1, 1, 2, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "padding and ceil_mode",
        attributes: [
          "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 0, 0]),
          "ceil_mode": .int(1),
        ],
        inputs: [.floats([1, -1, 1.5, -1.5, 0.5, 2.5, 0, -2.5, 2, -3, -2, -0.5], [1, 1, 4, 3])],
        outputs: [.floats([1, 2.5, 0.5, 2.5], [1, 1, 2, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "column-major indices",
        attributes: ["kernel_shape": .ints([2, 2]), "storage_order": .int(1)],
        inputs: [.floats([-3, -0.5, 1.5, -1, 1, 0, 2, -2.5, -1.5, -2, 0.5, 2.5], [1, 2, 3, 2])],
        outputs: [
          .floats([1.5, 1.5, 2, 2.5], [1, 2, 2, 1]), .integers([1, 1, 6, 11], [1, 2, 2, 1]),
        ]),
      OperatorExample(
        "1-D, dilated",
        attributes: ["kernel_shape": .ints([2]), "dilations": .ints([2]), "pads": .ints([1, 0])],
        inputs: [.floats([0, -1.5, 1, 1.5, -1, 2, -2.5, -2, 0.5, -0.5], [1, 2, 5])],
        outputs: [.floats([-1.5, 1, 1.5, 1, -2.5, 2, 0.5, -0.5], [1, 2, 4])]),
      OperatorExample(
        "3-D, indices",
        attributes: ["kernel_shape": .ints([2, 1, 2])],
        inputs: [
          .floats([1, 1.5, 2.5, 2, -1.5, -0.5, -2.5, 0.5, -3, -2, 0, -1], [1, 1, 2, 2, 3])
        ],
        outputs: [
          .floats([1.5, 2.5, 2, 0], [1, 1, 1, 2, 2]), .integers([1, 2, 3, 10], [1, 1, 1, 2, 2]),
        ]),
      OperatorExample(
        "uint8",
        attributes: ["kernel_shape": .ints([2]), "strides": .ints([2])],
        inputs: [try! Tensor([3, 200, 7, 9] as [UInt8], shape: [1, 1, 4])],
        outputs: [try! Tensor([200, 9] as [UInt8], shape: [1, 1, 2])]),
      OperatorExample(
        "an empty batch",
        attributes: ["kernel_shape": .ints([2])],
        inputs: [.floats([], [0, 1, 4])],
        outputs: [.floats([], [0, 1, 3])]),
    ]
  }
}

extension PoolGeometry {
  /// Converts a row-major index to one whose first spatial axis varies fastest.
  @inline(__always) func columnMajorIndex(_ index: Int) -> Int {
    guard index >= 0 else { return index }
    let column = index % width.inputExtent
    let rest = index / width.inputExtent
    let row = rest % height.inputExtent
    let plane = rest / height.inputExtent
    return plane + depth.inputExtent * (row + height.inputExtent * column)
  }
}

extension PoolGeometry.Window {
  /// The position of the first largest element in the input's plane; -1 for an empty window.
  @inline(__always) func indexOfLargest<Element: Comparable>(_ x: UnsafePointer<Element>) -> Int {
    var best = -1
    forEachTap { index in
      // Only NaN differs from itself.
      if best < 0 || x[index] > x[best] || x[index] != x[index] { best = index }
    }
    return best
  }
}
