import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The common part of poolings in the blocked layout.
extension PoolingWindow {
  /// Two-dimensional windows.
  init(blocked attributes: AttributeReader) throws {
    try self.init(attributes)
    guard kernel.count == 2 else {
      throw GraftError.unsupported(
        "attribute 'kernel_shape' has \(kernel.count) extents; images in blocks have 2")
    }
  }

  func inferBlocked(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    context.setBlockedOutput(try outputShape(try context.blockedShape(0)))
  }

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
