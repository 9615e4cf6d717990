import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Over two axes, and without indices.
extension MaxPool: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedMaxPool", domain: "graft", since: [1], inputs: 1...1)

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
    try window.blockedKernel(context) { layers, pool, x, y, rows in
      layers.max_pool(pool, x, y, rows.lowerBound, rows.upperBound)
    }
  }
}

/// Over two axes.
extension AveragePool: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedAveragePool", domain: "graft", since: [1], inputs: 1...1)

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
    try window.blockedKernel(context, countsPadding: countsPadding) { layers, pool, x, y, rows in
      layers.average_pool(pool, x, y, rows.lowerBound, rows.upperBound)
    }
  }
}

extension GlobalAveragePool: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedGlobalAveragePool", domain: "graft", since: [1], inputs: 1...1)

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let count = shape[2] * shape[3]
    let layers = context.blockedLayers
    return PreparedKernel.parallel(
      count: shape[0] * shape[1], grain: max(1, 2048 / max(1, count))
    ) { arguments, planes in
      layers.global_average_pool(
        arguments.input(0, as: Float.self) + planes.lowerBound * count * channelBlock,
        arguments.output(0, as: Float.self) + planes.lowerBound * channelBlock, planes.count, count)
    }
  }
}

/// With the attribute `follows_relu` the input is a Relu's output, and the result is the gradient
/// of the Relu's input.
extension MaxPoolGradient: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedMaxPoolGradient", domain: "graft", since: [1], inputs: 2...2)
  package static let blockedInputs = [0, 1]

  package init(blocked attributes: AttributeReader) throws {
    try self.init(attributes)
    followsRelu = try attributes.value(.followsRelu) ?? false
  }

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
    let layers = context.blockedLayers
    let geometry = try PoolGeometry(window, inputShape: Array(context.input(1).shape[..<4]))
    let pool = geometry.kernelParameters(countsPadding: false)
    let inputSize = geometry.inputCount * channelBlock
    let outputSize = geometry.outputCount * channelBlock
    let followsRelu: Int32 = followsRelu ? 1 : 0
    return PreparedKernel.parallel(
      count: geometry.planeCount, grain: max(1, 65536 / max(1, inputSize))
    ) { arguments, planes in
      withUnsafePointer(to: pool) { pool in
        for plane in planes {
          layers.max_pool_gradient(
            pool, arguments.input(1, as: Float.self) + plane * inputSize,
            arguments.input(0, as: Float.self) + plane * outputSize, followsRelu,
            arguments.output(0, as: Float.self) + plane * inputSize)
        }
      }
    }
  }

  package static var blockedExamples: [OperatorExample] {
    let relu = OperatorExample(
      "after a Relu",
      attributes: [
        "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "follows_relu": .int(1),
      ],
      inputs: [
        .floats([1, 2], [1, 1, 1, 2]), .floats([0, 0, 1, 2, 0, 0, 3, 0], [1, 1, 2, 4]),
      ],
      outputs: [.floats([0, 0, 0, 0, 0, 0, 2, 0], [1, 1, 2, 4])])
    return examples + [relu]
  }
}

extension AttributeKey<Bool> {
  /// Whether a MaxPoolGradient in blocks is also that of a Relu before the pool.
  package static var followsRelu: Self { Self("follows_relu") }
}

extension PoolingWindow {
  /// A kernel over all rows of the output.
  ///
  /// - Parameter compute: computes some rows, with planes in the form of the C kernels
  func blockedKernel(
    _ context: PrepareContext, countsPadding: Bool = false,
    compute:
      @escaping @Sendable (
        _ layers: graft_blocked_layers, _ pool: UnsafePointer<graft_pool>,
        _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ rows: Range<Int>
      ) -> Void
  ) throws -> PreparedKernel {
    let layers = context.blockedLayers
    let geometry = try PoolGeometry(self, inputShape: Array(context.input(0).shape[..<4]))
    let pool = geometry.kernelParameters(countsPadding: countsPadding)
    let (height, width) = (geometry.height, geometry.width)
    let tapsPerOutput =
      min(height.kernel, height.inputExtent) * min(width.kernel, width.inputExtent)
    let workPerRow = max(1, width.outputExtent * tapsPerOutput)
    return PreparedKernel.parallel(
      count: geometry.planeCount * height.outputExtent, grain: max(1, 4096 / workPerRow)
    ) { arguments, rows in
      withUnsafePointer(to: pool) { pool in
        compute(
          layers, pool, arguments.input(0, as: Float.self), arguments.output(0, as: Float.self),
          rows)
      }
    }
  }
}
