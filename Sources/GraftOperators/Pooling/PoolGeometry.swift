import CGraftKernels
import GraftExecution
import GraftTensor

/// The windows of a pooling, for known extents; always with three spatial axes, of which missing
/// outer ones have extent 1.
struct PoolGeometry: Sendable {
  /// The windows of one axis.
  struct Axis: Sendable {
    struct Window: Sendable {
      /// The index of the first tap inside the input.
      var first: Int
      /// The taps inside the input.
      var count: Int
      /// The taps inside the input and its padding.
      var paddedCount: Int
    }

    let inputExtent: Int
    let outputExtent: Int
    let kernel: Int
    let stride: Int
    let dilation: Int
    let padBegin: Int
    let padEnd: Int

    static let trivial = Axis(
      inputExtent: 1, outputExtent: 1, kernel: 1, stride: 1, dilation: 1, padBegin: 0, padEnd: 0)

    @inline(__always) func window(_ index: Int) -> Window {
      let start = index * stride - padBegin
      let firstTap = start < 0 ? (dilation - 1 - start) / dilation : 0
      let pastTap = start < inputExtent ? (inputExtent - 1 - start) / dilation + 1 : 0
      let pastPaddedTap = (inputExtent + padEnd - 1 - start) / dilation + 1
      return Window(
        first: start + firstTap * dilation, count: max(0, min(kernel, pastTap) - firstTap),
        paddedCount: min(kernel, pastPaddedTap))
    }
  }

  /// The planes of the input: N times C.
  let planeCount: Int
  let depth: Axis
  let height: Axis
  let width: Axis

  init(_ window: PoolingWindow, inputShape: Shape) throws {
    planeCount = inputShape[0] * inputShape[1]
    let axes = try window.kernel.indices.map { axis in
      let placement = try window.placement(axis: axis, inputExtent: inputShape[axis + 2])
      return Axis(
        inputExtent: inputShape[axis + 2], outputExtent: placement.outputExtent,
        kernel: window.kernel[axis], stride: window.strides[axis],
        dilation: window.dilations[axis], padBegin: placement.padBegin, padEnd: placement.padEnd)
    }
    depth = axes.count > 2 ? axes[0] : .trivial
    height = axes.count > 1 ? axes[axes.count - 2] : .trivial
    width = axes[axes.count - 1]
  }

  /// The elements of one plane.
  var inputCount: Int { depth.inputExtent * height.inputExtent * width.inputExtent }
  var outputCount: Int { depth.outputExtent * height.outputExtent * width.outputExtent }

  /// The planes of a task with about `work` taps.
  func grain(work: Int = 16384) -> Int {
    let (taps, overflow) = (depth.kernel * height.kernel)
      .multipliedReportingOverflow(by: width.kernel)
    guard !overflow, taps < work else { return 1 }
    return max(1, work / max(1, outputCount * taps))
  }

  /// The part of the input that one window covers.
  struct Window {
    let depth: Axis.Window
    let height: Axis.Window
    let width: Axis.Window
    let geometry: PoolGeometry

    @inline(__always) var count: Int { depth.count * height.count * width.count }

    /// A product that may exceed an `Int`.
    @inline(__always) var paddedCount: Double {
      Double(depth.paddedCount) * Double(height.paddedCount) * Double(width.paddedCount)
    }

    /// Calls `body` with the position of each tap in the input's plane, in ascending order.
    @inline(__always) func forEachTap(_ body: (_ index: Int) -> Void) {
      for plane in 0..<depth.count {
        let planeIndex = depth.first + plane * geometry.depth.dilation
        for row in 0..<height.count {
          let rowIndex =
            planeIndex * geometry.height.inputExtent + height.first
            + row * geometry.height.dilation
          let start = rowIndex * geometry.width.inputExtent + width.first
          for column in 0..<width.count { body(start + column * geometry.width.dilation) }
        }
      }
    }
  }

  /// Calls `body` with each position in the output's plane, in ascending order, and its window.
  @inline(__always) func forEachWindow(_ body: (_ index: Int, _ window: Window) -> Void) {
    var index = 0
    for plane in 0..<depth.outputExtent {
      let depthWindow = depth.window(plane)
      for row in 0..<height.outputExtent {
        let heightWindow = height.window(row)
        for column in 0..<width.outputExtent {
          body(
            index,
            Window(
              depth: depthWindow, height: heightWindow, width: width.window(column),
              geometry: self))
          index += 1
        }
      }
    }
  }
}

extension PoolGeometry {
  /// The form for the C kernels; `nil` for three spatial axes, and for rows too long for the
  /// kernels' row buffer.
  func planar(countsPadding: Bool = false) -> graft_pool? {
    let longestRow = 1 << 20
    guard depth.inputExtent == 1, depth.outputExtent == 1, depth.kernel == 1,
      depth.padBegin == 0, depth.padEnd == 0,
      width.inputExtent + width.padBegin + width.padEnd < longestRow, width.kernel < longestRow,
      width.dilation < longestRow, width.stride < longestRow
    else { return nil }
    return kernelParameters(countsPadding: countsPadding)
  }

  /// The windows of the last two axes, in the form for the C kernels.
  func kernelParameters(countsPadding: Bool) -> graft_pool {
    graft_pool(
      input_height: Int64(height.inputExtent), input_width: Int64(width.inputExtent),
      output_height: Int64(height.outputExtent), output_width: Int64(width.outputExtent),
      kernel_height: Int64(height.kernel), kernel_width: Int64(width.kernel),
      stride_height: Int64(height.stride), stride_width: Int64(width.stride),
      dilation_height: Int64(height.dilation), dilation_width: Int64(width.dilation),
      pad_top: Int64(height.padBegin), pad_left: Int64(width.padBegin),
      pad_bottom: Int64(height.padEnd), pad_right: Int64(width.padEnd),
      counts_padding: countsPadding ? 1 : 0)
  }

  /// A kernel over all rows of the output, by a C function.
  static func rowsKernel(
    _ pool: graft_pool, planeCount: Int, _ instructionSet: InstructionSet,
    _ function:
      @escaping @Sendable (UnsafePointer<graft_pool_table>) -> graft_pool_rows?
  ) -> PreparedKernel {
    var pool = pool
    let scratchByteCount = Int(graft_pool_scratch_count(&pool)) * MemoryLayout<Float>.stride
    let workPerRow = max(1, Int(pool.input_width) * min(Int(pool.kernel_height), 64))
    return PreparedKernel.parallel(
      count: planeCount * Int(pool.output_height), grain: max(1, 32768 / workPerRow),
      workerScratchByteCount: scratchByteCount
    ) { [pool] arguments, rows in
      guard let scratch = arguments.workerScratch else { return }
      withUnsafePointer(to: pool) { pool in
        function(instructionSet.kernels.pointee.pool)?(
          pool, arguments.input(0, as: Float.self),
          arguments.output(0, as: Float.self), Int64(rows.lowerBound), Int64(rows.upperBound),
          scratch.assumingMemoryBound(to: Float.self))
      }
    }
  }
}
