import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// What is computed from each line of points.
struct FourierOperation: Sendable {
  enum Form: Sendable {
    /// From complex or real points to complex ones, or to the real parts of them.
    case general(isInputComplex: Bool, isOutputComplex: Bool)
    /// From real points to complex ones, of which the second half mirrors the first.
    case fromReal
    /// From the first half of complex points, whose second half mirrors it, to real ones.
    case toReal
  }

  var form: Form
  /// The points of the transform.
  var length: Int
  /// With exp(+2πi j k / n) rather than exp(-2πi j k / n).
  var isInverse: Bool
  var scale: Double
  /// The points of a line that there are. Those beyond the length are not used, and missing ones
  /// are 0.
  var inputCount: Int
  /// The points to write; those beyond the length are 0.
  var outputCount: Int
  /// Whether points that have a mirror image count twice.
  var doublesMirrored = false
}

/// Fourier transforms of many lines.
struct FourierKernel<Element: RealElement>: Sendable {
  let operation: FourierOperation
  let lines: FourierLines
  private let instructionSet: InstructionSet
  private let transform: FourierTransform<Element>
  /// Whether two real points make a complex one.
  private let takesPairs: Bool
  private let half: Int
  private let cosines: [Element]
  private let sines: [Element]

  init(_ operation: FourierOperation, _ lines: FourierLines, _ instructionSet: InstructionSet)
    throws
  {
    self.operation = operation
    self.lines = lines
    self.instructionSet = instructionSet
    half = operation.length / 2
    switch operation.form {
    case .general: takesPairs = false
    case .fromReal, .toReal: takesPairs = operation.length % 2 == 0
    }
    transform = try FourierTransform(
      length: takesPairs ? half : operation.length, lanes: lines.lanes, instructionSet)
    let roots = UnitRoots(order: operation.length)
    let angles = takesPairs ? 0..<(half + 1) : 0..<0
    cosines = angles.map { Element(roots[$0].cosine) }
    sines = angles.map { Element(roots[$0].sine) }
  }

  private var table: UnsafePointer<graft_fourier_table> {
    instructionSet.fourierTable(Element.self)
  }

  /// The elements of each buffer.
  private var bufferCount: Int {
    max(transform.bufferCount, (half + 1) * lines.lanes + Int(table.pointee.lane_count))
  }

  var scratchByteCount: Int { FourierBuffers<Element>.byteCount(bufferCount) }

  /// The groups of a task that takes about ten microseconds.
  var grain: Int { max(1, 8192 / (operation.length * lines.lanes + 16)) }

  /// A kernel that reads input 0 and writes output 0.
  func kernel() -> PreparedKernel {
    PreparedKernel.parallel(
      count: lines.groupCount, grain: grain, workerScratchByteCount: scratchByteCount
    ) { arguments, groups in
      guard let scratch = arguments.workerScratch else { return }
      for group in groups {
        run(
          group, arguments.input(0, as: Element.self), arguments.output(0, as: Element.self),
          scratch: scratch)
      }
    }
  }

  /// Transforms one group of lines.
  ///
  /// - Parameter window: is multiplied by the points before they are transformed
  func run(
    _ index: Int, _ input: UnsafePointer<Element>, _ output: UnsafeMutablePointer<Element>,
    window: UnsafePointer<Element>? = nil, scratch: UnsafeMutableRawPointer
  ) {
    let group = lines.group(index)
    let input = input + group.input
    let output = output + group.output
    var buffers = FourierBuffers<Element>(scratch, count: bufferCount)
    switch operation.form {
    case .general(let isInputComplex, let isOutputComplex):
      load(
        input, isComplex: isInputComplex, count: operation.inputCount, length: operation.length,
        group,
        window, &buffers)
      if operation.isInverse { transform.runInverse(&buffers) } else { transform.run(&buffers) }
      store(
        0..<min(operation.length, operation.outputCount), to: output, isOutputComplex, group,
        buffers)
      clearRest(output, isComplex: isOutputComplex, group)
    case .fromReal:
      if takesPairs {
        loadPairs(input, group, window, &buffers)
        transform.run(&buffers)
        withAngles {
          table.pointee.split_real(
            buffers.re, buffers.im, Int64(half), Int64(lines.lanes), $0, $1, buffers.spareRe,
            buffers.spareIm)
        }
        buffers.exchangeWithSpare()
      } else {
        load(
          input, isComplex: false, count: operation.inputCount, length: operation.length, group,
          window,
          &buffers)
        transform.run(&buffers)
      }
      storeMirrored(output, group, buffers)
      clearRest(output, isComplex: true, group)
    case .toReal:
      load(
        input, isComplex: true, count: operation.inputCount, length: half + 1, group, nil, &buffers)
      // These have no imaginary parts.
      for lane in 0..<lines.lanes { buffers.im[lane] = 0 }
      if takesPairs {
        for lane in 0..<lines.lanes { buffers.im[half * lines.lanes + lane] = 0 }
        withAngles {
          table.pointee.join_real(
            buffers.re, buffers.im, Int64(half), Int64(lines.lanes), $0, $1, buffers.spareRe,
            buffers.spareIm)
        }
        buffers.exchangeWithSpare()
        transform.runInverse(&buffers)
        storePairs(output, group, buffers)
      } else {
        mirror(buffers)
        transform.runInverse(&buffers)
        store(0..<min(operation.length, operation.outputCount), to: output, false, group, buffers)
      }
    }
  }

  private func withAngles(
    _ body: (_ cosines: UnsafePointer<Element>, _ sines: UnsafePointer<Element>) -> Void
  ) {
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
        body(cosines, sines)
      }
    }
  }

  // MARK: Loading

  private func load(
    _ input: UnsafePointer<Element>, isComplex: Bool, count: Int, length: Int,
    _ group: FourierLines.Group, _ window: UnsafePointer<Element>?,
    _ buffers: inout FourierBuffers<Element>
  ) {
    var source = graft_fourier_source(
      re: input, im: isComplex ? input + 1 : nil, step: Int64(lines.input.point),
      lane_step: Int64(lines.input.line), re_count: Int64(count), im_count: Int64(count),
      length: Int64(length), present_lanes: Int64(group.lines), lanes: Int64(lines.lanes),
      re_window: window, im_window: window, window_step: 1)
    table.pointee.load(&source, buffers.re, buffers.im)
  }

  /// Points with even indices are real parts, the others imaginary parts.
  private func loadPairs(
    _ input: UnsafePointer<Element>, _ group: FourierLines.Group,
    _ window: UnsafePointer<Element>?, _ buffers: inout FourierBuffers<Element>
  ) {
    let count = min(operation.inputCount, operation.length)
    var source = graft_fourier_source(
      re: input, im: count > 1 ? input + lines.input.point : nil,
      step: 2 * Int64(lines.input.point), lane_step: Int64(lines.input.line),
      re_count: Int64((count + 1) / 2), im_count: Int64(count / 2), length: Int64(half),
      present_lanes: Int64(group.lines), lanes: Int64(lines.lanes), re_window: window,
      im_window: window.map { $0 + 1 }, window_step: 2)
    table.pointee.load(&source, buffers.re, buffers.im)
  }

  /// Point n - k is the conjugate of point k.
  private func mirror(_ buffers: FourierBuffers<Element>) {
    guard half > 0 else { return }
    let lanes = lines.lanes
    for k in 1...half {
      for lane in 0..<lanes {
        buffers.re[(operation.length - k) * lanes + lane] = buffers.re[k * lanes + lane]
        buffers.im[(operation.length - k) * lanes + lane] = -buffers.im[k * lanes + lane]
      }
    }
  }

  // MARK: Storing

  /// Stores points, which begin in the output at the first of them.
  private func store(
    _ points: Range<Int>, to output: UnsafeMutablePointer<Element>, _ isComplex: Bool,
    _ group: FourierLines.Group, _ buffers: FourierBuffers<Element>, factor: Double = 1
  ) {
    guard !points.isEmpty else { return }
    let output = output + points.lowerBound * lines.output.point
    var target = graft_fourier_target(
      re: output, im: isComplex ? output + 1 : nil, step: Int64(lines.output.point),
      lane_step: Int64(lines.output.line), count: Int64(points.count),
      present_lanes: Int64(group.lines), lanes: Int64(lines.lanes),
      re_scale: operation.scale * factor, im_scale: operation.scale * factor)
    let first = points.lowerBound * lines.lanes
    table.pointee.store(&target, buffers.re + first, buffers.im + first)
  }

  /// Stores the first half, and what it mirrors as far as that is wanted.
  private func storeMirrored(
    _ output: UnsafeMutablePointer<Element>, _ group: FourierLines.Group,
    _ buffers: FourierBuffers<Element>
  ) {
    let kept = min(half + 1, operation.outputCount)
    if operation.doublesMirrored {
      // Those without a mirror image are the first, and the one in the middle.
      let mirrored = min(kept, (operation.length + 1) / 2)
      store(0..<min(1, kept), to: output, true, group, buffers)
      if mirrored > 1 { store(1..<mirrored, to: output, true, group, buffers, factor: 2) }
      store(max(1, mirrored)..<max(1, mirrored, kept), to: output, true, group, buffers)
      return
    }
    store(0..<kept, to: output, true, group, buffers)
    let rest = min(operation.length, operation.outputCount) - kept
    guard rest > 0 else { return }
    // Backwards from the last point, which mirrors point 1.
    let last = output + (operation.length - 1) * lines.output.point
    var target = graft_fourier_target(
      re: last, im: last + 1, step: -Int64(lines.output.point),
      lane_step: Int64(lines.output.line), count: Int64(rest), present_lanes: Int64(group.lines),
      lanes: Int64(lines.lanes), re_scale: operation.scale, im_scale: -operation.scale)
    table.pointee.store(&target, buffers.re + lines.lanes, buffers.im + lines.lanes)
  }

  private func storePairs(
    _ output: UnsafeMutablePointer<Element>, _ group: FourierLines.Group,
    _ buffers: FourierBuffers<Element>
  ) {
    var target = graft_fourier_target(
      re: output, im: output + lines.output.point, step: 2 * Int64(lines.output.point),
      lane_step: Int64(lines.output.line), count: Int64(half), present_lanes: Int64(group.lines),
      lanes: Int64(lines.lanes), re_scale: operation.scale, im_scale: operation.scale)
    table.pointee.store(&target, buffers.re, buffers.im)
  }

  /// Clears points beyond the length.
  private func clearRest(
    _ output: UnsafeMutablePointer<Element>, isComplex: Bool, _ group: FourierLines.Group
  ) {
    var known = operation.length
    if case .fromReal = operation.form, operation.doublesMirrored { known = half + 1 }
    guard operation.outputCount > known else { return }
    for line in 0..<group.lines {
      for point in known..<operation.outputCount {
        let place = line * lines.output.line + point * lines.output.point
        output[place] = 0
        if isComplex { output[place + 1] = 0 }
      }
    }
  }
}
