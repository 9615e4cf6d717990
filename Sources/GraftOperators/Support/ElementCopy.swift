import CGraftKernels
import GraftExecution
import GraftTensor

// The kernels that a matrix points to are constants.
extension graft_movement_matrix: @unchecked @retroactive Sendable {}

/// A copy of elements of any type between two strided layouts: the core of most operators that only
/// move data.
///
/// Offsets and strides count elements. Strides of the source may be zero (repeats) or negative
/// (reverses).
struct ElementCopy: Sendable {
  /// The source of elements.
  enum Source: Sendable {
    case input(Int)
    case tensor(Tensor)
  }

  struct Axis: Sendable {
    var extent: Int
    var sourceStride: Int
    var destinationStride: Int
  }

  let source: Source
  let output: Int
  private let sourceByteOffset: Int
  private let destinationByteOffset: Int
  private let matrix: graft_movement_matrix
  private let outer: [graft_movement_axis]
  let blockCount: Int
  let byteCount: Int
  /// Whether source and destination are both contiguous.
  let isContiguous: Bool

  /// - Parameters:
  ///   - width: the bytes of an element
  ///   - axes: outermost first, in the destination's order
  ///   - instructionSet: only matters for transpositions
  init(
    from source: Source, to output: Int = 0, width: Int, axes: [Axis], sourceOffset: Int = 0,
    destinationOffset: Int = 0, instructionSet: InstructionSet = .current
  ) {
    self.source = source
    self.output = output
    sourceByteOffset = sourceOffset * width
    destinationByteOffset = destinationOffset * width

    var width = width
    let isEmpty = axes.contains { $0.extent == 0 } || width == 0
    var axes = ElementCopy.merged(axes)
    byteCount = isEmpty ? 0 : axes.reduce(width) { $0 * $1.extent }
    // A short run of elements moves as one wider element.
    if axes.count > 1, let last = axes.last, last.sourceStride == 1, last.destinationStride == 1,
      [2, 4, 8, 16].contains(last.extent * width)
    {
      axes.removeLast()
      for index in axes.indices {
        axes[index].sourceStride *= width
        axes[index].destinationStride *= width
      }
      width *= last.extent
    } else {
      for index in axes.indices {
        axes[index].sourceStride *= width
        axes[index].destinationStride *= width
      }
    }
    let columns = ElementCopy.takeAxis(&axes) { $0.destinationStride == width }
    let rows = ElementCopy.takeAxis(&axes) { $0.sourceStride == width }
    isContiguous =
      axes.isEmpty && rows.extent == 1
      && (columns.extent == 1
        || (columns.sourceStride == width && columns.destinationStride == width))
    let isDense = columns.sourceStride == width && columns.destinationStride == width
    let columnBlock = max(1, min(columns.extent, isDense ? (1 << 16) / width : 4096))
    let line = max(1, 64 / width)
    let rowsPerBlock = max(1, (1 << 16) / (columnBlock * width))
    let rowBlock = max(1, min(rows.extent, (rowsPerBlock + line - 1) / line * line))
    matrix = graft_movement_matrix(
      width: width, rows: ElementCopy.inBytes(rows), columns: ElementCopy.inBytes(columns),
      row_block: rowBlock, column_block: columnBlock,
      kernels: instructionSet.kernels.pointee.movement)
    outer = axes.map(ElementCopy.inBytes)
    blockCount =
      isEmpty
      ? 0
      : axes.reduce(1) { $0 * $1.extent } * ((rows.extent + rowBlock - 1) / rowBlock)
        * ((columns.extent + columnBlock - 1) / columnBlock)
  }

  /// Drops axes of extent 1 and joins neighbours that are one axis on both sides.
  private static func merged(_ axes: [Axis]) -> [Axis] {
    var result: [Axis] = []
    for axis in axes where axis.extent != 1 {
      if let outer = result.last, axis.extent > 0,
        outer.sourceStride == axis.sourceStride * axis.extent,
        outer.destinationStride == axis.destinationStride * axis.extent
      {
        result[result.count - 1] = Axis(
          extent: outer.extent * axis.extent, sourceStride: axis.sourceStride,
          destinationStride: axis.destinationStride)
      } else {
        result.append(axis)
      }
    }
    return result
  }

  /// Removes the axis that `isPreferred`, or else the last; an axis of extent 1 if none is left.
  private static func takeAxis(_ axes: inout [Axis], where isPreferred: (Axis) -> Bool) -> Axis {
    if let index = axes.lastIndex(where: isPreferred) ?? axes.indices.last {
      return axes.remove(at: index)
    }
    return Axis(extent: 1, sourceStride: 0, destinationStride: 0)
  }

  private static func inBytes(_ axis: Axis) -> graft_movement_axis {
    graft_movement_axis(
      extent: axis.extent, source_step: axis.sourceStride, destination_step: axis.destinationStride)
  }

  fileprivate func run(_ arguments: KernelArguments, firstBlock: Int, blockCount: Int) {
    let base =
      switch source {
      case .input(let index): arguments.input(index)
      case .tensor(let tensor): UnsafeRawPointer(tensor.baseAddress)
      }
    let (target, from) = (
      arguments.output(output) + destinationByteOffset, base + sourceByteOffset
    )
    // What an output starts with may be in its place already.
    if isContiguous, from == UnsafeRawPointer(target) { return }
    withUnsafePointer(to: matrix) { matrix in
      outer.withUnsafeBufferPointer { outer in
        graft_movement_copy(
          target, from, matrix, outer.baseAddress, outer.count, firstBlock, blockCount)
      }
    }
  }
}

extension PreparedKernel.Phase {
  /// Runs copies that write different elements.
  static func copying(_ copies: [ElementCopy]) -> PreparedKernel.Phase {
    var ends: [Int] = []
    var blockCount = 0
    for copy in copies {
      blockCount += copy.blockCount
      ends.append(blockCount)
    }
    let byteCount = copies.reduce(0) { $0 + $1.byteCount }
    let bytesPerBlock = max(1, byteCount / max(1, blockCount))
    let lastBlocks = ends
    return .parallel(count: blockCount, grain: max(1, (1 << 16) / bytesPerBlock)) {
      arguments, range in
      var start = 0
      for index in copies.indices {
        let end = lastBlocks[index]
        let first = max(start, range.lowerBound)
        let last = min(end, range.upperBound)
        if first < last {
          copies[index].run(arguments, firstBlock: first - start, blockCount: last - first)
        }
        start = end
        if end >= range.upperBound { break }
      }
    }
  }
}

extension PreparedKernel {
  /// Runs copies that write different elements; a single copy of a whole input needs no kernel.
  static func copying(_ copies: [ElementCopy]) -> PreparedKernel {
    PreparedKernel(phases: [.copying(copies)])
  }

  /// One copy that fills output 0; an alias if it preserves the order of all elements.
  ///
  /// - Parameter inputByteCount: the bytes of the input
  static func reordering(_ copy: ElementCopy, inputByteCount: Int) -> PreparedKernel {
    if case .input(let index) = copy.source, copy.isContiguous, copy.byteCount == inputByteCount {
      return .alias(input: index)
    }
    return .copying([copy])
  }
}

extension PrepareContext.Description {
  var byteCount: Int { elementCount * elementType.byteWidth }
}
