import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradients of ``DeformConv``, but for the bias.
///
/// Inputs: dy, X, W, offset, mask. Outputs: the gradients of X, W, offset and mask. The attributes
/// are those of DeformConv.
struct DeformConvGradient: Operator {
  static let schema = OperatorSchema(
    "DeformConvGradient", domain: "graft", since: [1], inputs: 4...5, outputs: 1...4)

  private let attributes: DeformableAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try DeformableAttributes(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType(Array(0..<context.inputCount))
    let elementType = try context.elementType(0)
    for output in 0..<context.outputCount { context.setOutput(output, elementType, nil) }
    let shape = try attributes.outputShape(
      &context, .init(image: 1, weights: 2, offsets: 3, mask: 4))
    try context.requireShape(0, shape)
    for output in 0..<context.outputCount {
      guard output < 3 || context.hasInput(4) else {
        throw GraftError.badData("a mask that is left out has no gradient")
      }
      context.setOutput(output, elementType, try context.shape(output + 1))
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: return try kernel(Float.self, context)
    case .double: return try kernel(Double.self, context)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: RealElement>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let sampling = DeformableSampling(
      attributes, image: try context.input(1).shape, weights: try context.input(2).shape,
      output: try context.input(0).shape)
    let backward = DeformableBackward<Element>(
      sampling: sampling, offsetGroupCount: attributes.offsetGroupCount,
      hasMask: context.hasInput(4))
    var phases: [PreparedKernel.Phase] = []
    if context.hasOutput(0) {
      phases.append(
        .init(taskCount: sampling.imageCount * sampling.channels) { arguments, task in
          backward.addToPlane(task, arguments)
        })
    }
    if context.hasOutput(1) {
      phases.append(
        .init(taskCount: sampling.channels) { arguments, task in
          backward.addToWeights(task, arguments)
        })
    }
    if context.hasOutput(2) || context.hasOutput(3) {
      let wantsOffsets = context.hasOutput(2)
      let wantsMask = context.hasOutput(3)
      phases.append(
        .init(
          taskCount: sampling.imageCount * attributes.offsetGroupCount * sampling.tapCount
        ) { arguments, task in
          backward.addToOffsets(
            task, arguments, wantsOffsets: wantsOffsets, wantsMask: wantsMask)
        })
    }
    return PreparedKernel(
      phases: phases,
      workerScratchByteCount: sampling.positionCount * MemoryLayout<Element>.stride)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two positions",
        inputs: [
          .floats([1, 2], [1, 1, 2]), .floats([1, 3, 7], [1, 1, 3]), .floats([2, -1], [1, 1, 2]),
          .floats([0.5, 0.25, 0.5, 2], [1, 2, 2]), .floats([1, 0.5, 2, 1], [1, 2, 2]),
        ],
        outputs: [
          .floats([1, 1.5, -0.5], [1, 1, 3]), .floats([6, 10], [1, 1, 2]),
          .floats([4, 8, -8, 0], [1, 2, 2]), .floats([4, 16, -5, 0], [1, 2, 2]),
        ])
    ]
  }
}

/// The loops of the gradients. Each element is written by one task.
private struct DeformableBackward<Element: RealElement>: Sendable {
  let sampling: DeformableSampling
  let offsetGroupCount: Int
  let hasMask: Bool

  private func mask(
    _ arguments: KernelArguments, _ image: Int, _ offsetGroup: Int, _ tap: Int
  ) -> UnsafePointer<Element>? {
    guard hasMask else { return nil }
    return arguments.input(4, as: Element.self)
      + sampling.maskStart(image: image, offsetGroup: offsetGroup, tap: tap)
  }

  /// The gradient of what a tap reads from a channel, before the mask, by position:
  /// Σ over output channels of W dy.
  private func fillRow(
    _ row: UnsafeMutablePointer<Element>, image: Int, channel: Int, tap: Int,
    _ arguments: KernelArguments
  ) {
    let group = channel / sampling.channelsPerGroup
    let count = sampling.positionCount
    let rows = sampling.rowsPerGroup
    row.update(repeating: 0, count: count)
    for output in 0..<rows {
      let output = group * rows + output
      let weight = arguments.input(2, as: Element.self)[
        (output * sampling.channelsPerGroup + channel % sampling.channelsPerGroup)
          * sampling.tapCount + tap]
      let dy =
        arguments.input(0, as: Element.self)
        + (image * sampling.groupCount * rows + output) * count
      for position in 0..<count { row[position] += weight * dy[position] }
    }
  }

  func addToPlane(_ task: Int, _ arguments: KernelArguments) {
    guard let scratch = arguments.workerScratch else { return }
    let (image, channel) = task.quotientAndRemainder(dividingBy: sampling.channels)
    let offsetGroup = channel / sampling.channelsPerOffsetGroup
    let offsets = arguments.input(3, as: Element.self)
    let row = scratch.assumingMemoryBound(to: Element.self)
    let plane = arguments.output(0, as: Element.self) + task * sampling.planeCount
    plane.update(repeating: 0, count: sampling.planeCount)
    for tap in 0..<sampling.tapCount {
      fillRow(row, image: image, channel: channel, tap: tap, arguments)
      let mask = mask(arguments, image, offsetGroup, tap)
      for position in 0..<sampling.positionCount {
        let arriving = row[position] * (mask.map { $0[position] } ?? 1)
        sampling.forEachCorner(
          image: image, offsetGroup: offsetGroup, tap: tap, position: position, offsets: offsets
        ) { index, weight in
          plane[index] += weight * arriving
        }
      }
    }
  }

  func addToWeights(_ channel: Int, _ arguments: KernelArguments) {
    guard let scratch = arguments.workerScratch else { return }
    let offsetGroup = channel / sampling.channelsPerOffsetGroup
    let offsets = arguments.input(3, as: Element.self)
    let row = scratch.assumingMemoryBound(to: Element.self)
    let group = channel / sampling.channelsPerGroup
    let (rows, count) = (sampling.rowsPerGroup, sampling.positionCount)
    let dweights = arguments.output(1, as: Element.self)
    for image in 0..<max(1, sampling.imageCount) {
      for tap in 0..<sampling.tapCount {
        if image < sampling.imageCount {
          let mask = mask(arguments, image, offsetGroup, tap)
          let plane =
            arguments.input(1, as: Element.self)
            + (image * sampling.channels + channel) * sampling.planeCount
          for position in 0..<count {
            row[position] =
              sampling.sample(
                plane, image: image, offsetGroup: offsetGroup, tap: tap, position: position,
                offsets: offsets) * (mask.map { $0[position] } ?? 1)
          }
        }
        for output in 0..<rows {
          let output = group * rows + output
          var sum = 0.0
          if image < sampling.imageCount {
            let dy =
              arguments.input(0, as: Element.self)
              + (image * sampling.groupCount * rows + output) * count
            for position in 0..<count { sum += Double(row[position]) * Double(dy[position]) }
          }
          let place =
            (output * sampling.channelsPerGroup + channel % sampling.channelsPerGroup)
            * sampling.tapCount + tap
          dweights[place] = (image == 0 ? 0 : dweights[place]) + Element(sum)
        }
      }
    }
  }

  func addToOffsets(
    _ task: Int, _ arguments: KernelArguments, wantsOffsets: Bool, wantsMask: Bool
  ) {
    guard let scratch = arguments.workerScratch else { return }
    let (rest, tap) = task.quotientAndRemainder(dividingBy: sampling.tapCount)
    let (image, offsetGroup) = rest.quotientAndRemainder(dividingBy: offsetGroupCount)
    let offsets = arguments.input(3, as: Element.self)
    let row = scratch.assumingMemoryBound(to: Element.self)
    let count = sampling.positionCount
    let mask = mask(arguments, image, offsetGroup, tap)
    let doffsets = wantsOffsets ? arguments.output(2, as: Element.self) : nil
    let dmask = wantsMask ? arguments.output(3, as: Element.self) : nil
    func start(_ axis: Int) -> Int {
      sampling.offsetStart(image: image, offsetGroup: offsetGroup, tap: tap, axis: axis)
    }
    let maskStart = sampling.maskStart(image: image, offsetGroup: offsetGroup, tap: tap)
    if let doffsets {
      for axis in 0..<sampling.rank {
        (doffsets + start(axis)).update(repeating: 0, count: count)
      }
    }
    if let dmask { (dmask + maskStart).update(repeating: 0, count: count) }
    for channel in 0..<sampling.channelsPerOffsetGroup {
      let channel = offsetGroup * sampling.channelsPerOffsetGroup + channel
      fillRow(row, image: image, channel: channel, tap: tap, arguments)
      let plane =
        arguments.input(1, as: Element.self)
        + (image * sampling.channels + channel) * sampling.planeCount
      for position in 0..<count {
        if let dmask {
          dmask[maskStart + position] +=
            row[position]
            * sampling.sample(
              plane, image: image, offsetGroup: offsetGroup, tap: tap, position: position,
              offsets: offsets)
        }
        guard let doffsets else { continue }
        let arriving = row[position] * (mask.map { $0[position] } ?? 1)
        for axis in 0..<sampling.rank {
          doffsets[start(axis) + position] +=
            arriving
            * sampling.sample(
              plane, image: image, offsetGroup: offsetGroup, tap: tap, position: position,
              offsets: offsets, slope: axis)
        }
      }
    }
  }
}
