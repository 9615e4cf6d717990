import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Windows over images of bytes with channels last.
struct QuantizedPooling: Sendable {
  let geometry: PoolGeometry
  private let imageCount: Int
  let channels: Int
  let kind: ByteKind
  /// The most pixels of a window.
  let tapCount: Int

  /// - Parameter image: the shape with channels first
  init(_ window: PoolingWindow, image: Shape, _ type: ElementType) throws {
    geometry = try PoolGeometry(window, inputShape: image)
    imageCount = image[0]
    channels = image[1]
    kind = ByteKind(type)
    tapCount =
      min(geometry.depth.kernel, geometry.depth.inputExtent)
      * min(geometry.height.kernel, geometry.height.inputExtent)
      * min(geometry.width.kernel, geometry.width.inputExtent)
  }

  /// Calls `body` for each output position with the window, whose pixels' offsets are in memory of
  /// the worker, and the position's index among all.
  ///
  /// - Parameter extraByteCount: further memory of a worker, after those offsets
  func kernel(
    extraByteCount: Int = 0,
    _ body:
      @escaping @Sendable (
        _ arguments: KernelArguments, _ window: inout graft_byte_window,
        _ place: PoolGeometry.Window, _ position: Int, _ extra: UnsafeMutableRawPointer
      ) -> Void
  ) -> PreparedKernel {
    let geometry = geometry
    let offsetsByteCount = tapCount * MemoryLayout<Int>.stride
    let lines = geometry.depth.outputExtent * geometry.height.outputExtent
    let columns = geometry.width.outputExtent
    let work = max(1, columns * channels * min(tapCount, 1 << 16))
    return .parallel(
      count: imageCount * lines, grain: max(1, (1 << 17) / work),
      workerScratchByteCount: offsetsByteCount + extraByteCount
    ) { [channels, kind] arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let offsets = scratch.assumingMemoryBound(to: Int.self)
      for line in range {
        let (image, place) = line.quotientAndRemainder(dividingBy: lines)
        let (plane, row) = place.quotientAndRemainder(
          dividingBy: geometry.height.outputExtent)
        let (depth, height) = (geometry.depth.window(plane), geometry.height.window(row))
        for column in 0..<columns {
          let window = PoolGeometry.Window(
            depth: depth, height: height, width: geometry.width.window(column),
            geometry: geometry)
          var description = graft_byte_window()
          var count = 0
          window.forEachTap { index in
            offsets[count] = index * channels
            count += 1
          }
          description.source =
            arguments.input(0, as: UInt8.self) + image * geometry.inputCount * channels
          description.channels = channels
          description.pixels = UnsafePointer(offsets)
          description.pixel_count = count
          description.is_signed = kind.isSigned ? 1 : 0
          body(
            arguments, &description, window, line * columns + column, scratch + offsetsByteCount)
        }
      }
    }
  }
}

extension PoolingWindow {
  /// Checks input 0, an image of bytes with channels last.
  ///
  /// - Returns: the shape of the result, if known
  func inferChannelsLast(_ context: InferenceContext) throws -> [Dimension]? {
    try context.require(0, .bytes)
    guard let shape = try context.input(0).shape else { return nil }
    return try outputShape(shape.channelsFirst).channelsLast
  }
}
