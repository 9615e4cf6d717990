import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Inserts zeros between the positions of a blocked image: position (i, j) moves to (i · sh, j ·
/// sw).
///
/// Input: [N, blocks, H, W, 16]. Output: [N, blocks, H', W', 16]. Attributes: `strides` (sh, sw),
/// and `extents` (H', W'), at least (H - 1) · sh + 1 and (W - 1) · sw + 1.
///
/// With it the gradient of a strided convolution's image is a convolution without strides.
struct BlockedZeroInsertion: Operator {
  static let schema = OperatorSchema(
    "BlockedZeroInsertion", domain: "graft", since: [1], inputs: 1...1)

  let strides: [Int]
  let extents: [Int]

  init(_ attributes: AttributeReader) throws {
    strides = try attributes.value(.strides) ?? []
    extents = try attributes.value(.extents) ?? []
    guard strides.count == 2, strides.allSatisfy({ 1...1 << 31 ~= $0 }), extents.count == 2,
      extents.allSatisfy({ 0...1 << 31 ~= $0 })
    else {
      throw GraftError.badData(
        "strides \(strides) and extents \(extents) are not those of two axes")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let image = try context.blockedShape(0)
    for axis in 0..<2 {
      guard let extent = image[axis + 2].known, extent > 0 else { continue }
      guard extent <= 1 << 31, (extent - 1) * strides[axis] < extents[axis] else {
        throw GraftError.badData(
          "\(extent) positions in steps of \(strides[axis]) take more than \(extents[axis])")
      }
    }
    context.setBlockedOutput([image[0], image[1], .known(extents[0]), .known(extents[1])])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let image = try context.input(0).shape
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let (height, width) = (image[2], image[3])
    let (rowStep, columnStep) = (strides[0], strides[1])
    let (rowCount, rowSize) = (extents[0], extents[1] * channelBlock)
    let phase = BlockedRows(planeCount: image[0] * image[1], rowCount: rowCount).phase(
      workPerRow: extents[1]
    ) { arguments, plane, rows in
      let planeRows = arguments.input(0, as: Float.self) + plane * height * width * channelBlock
      let result = arguments.output(0, as: Float.self) + plane * rowCount * rowSize
      for row in rows {
        let target = result + row * rowSize
        target.update(repeating: 0, count: rowSize)
        guard row % rowStep == 0, row / rowStep < height else { continue }
        let source = planeRows + row / rowStep * width * channelBlock
        for column in 0..<width {
          (target + column * columnStep * channelBlock).update(
            from: source + column * channelBlock, count: channelBlock)
        }
      }
    }
    return PreparedKernel(phases: [phase])
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "columns", attributes: ["strides": .ints([1, 2]), "extents": .ints([1, 4])],
        inputs: [.blocks([1, 2], [1, 1, 1, 2])], outputs: [.blocks([1, 0, 2, 0], [1, 1, 1, 4])]),
      OperatorExample(
        "rows and columns", attributes: ["strides": .ints([2, 3]), "extents": .ints([4, 4])],
        inputs: [.blocks([1, 2, 3, 4], [1, 1, 2, 2])],
        outputs: [.blocks([1, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0], [1, 1, 4, 4])]),
    ]
  }
}

extension AttributeKey<[Int]> {
  /// The height and width that a BlockedZeroInsertion makes.
  package static var extents: Self { Self("extents") }
}
