import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Rotates pairs of channels of each head by angles that depend on the position.
///
/// The input is `[N, heads, S, head]` or `[N, S, heads · head]`. The cosines and sines are
/// `[positions, rotated / 2]` with positions `[N, S]`, or `[N, S, rotated / 2]` without.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html>. Source: Su et al.,
/// RoFormer, <https://arxiv.org/abs/2104.09864>.
struct RotaryEmbedding: RealOperator {
  static let schema = OperatorSchema("RotaryEmbedding", since: [23], inputs: 3...4)
  static let widening = Widening.rounds

  private let headCount: Int?
  private let rotatedSize: Int
  private let isInterleaved: Bool

  init(_ attributes: AttributeReader) throws {
    headCount = try attributes.int("num_heads")
    rotatedSize = try attributes.int("rotary_embedding_dim", default: 0)
    isInterleaved = try attributes.flag("interleaved")
    guard rotatedSize >= 0 else {
      throw GraftError.badData(
        "attribute 'rotary_embedding_dim' is \(rotatedSize); expected 0 or more")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.setOutputLikeInput()
    let shape = try context.shape(0)
    let (batch, length, headSize) = try dimensions(shape)
    if let headSize = headSize.known { _ = try rotatedHalf(headSize) }
    let half = try headSize.known.map { Dimension.known(try rotatedHalf($0)) }
    let caches = try context.shape(1)
    try context.requireShapeAgrees(2, caches)
    if context.hasInput(3) {
      try context.require(3, [.int64])
      try context.requireShapeAgrees(3, [batch, length])
      guard caches.count == 2 else {
        throw GraftError.badData("input 1 has shape \(caches); expected rank 2 with position_ids")
      }
      if let half { try context.requireShapeAgrees(1, [caches[0], half]) }
    } else {
      try context.requireShapeAgrees(1, [batch, length, half ?? caches.last ?? .known(0)])
    }
  }

  /// The batch, the length of the sequence, and the size of a head.
  private func dimensions(
    _ shape: [Dimension]
  ) throws -> (batch: Dimension, length: Dimension, headSize: Dimension) {
    if shape.count == 4 { return (shape[0], shape[2], shape[3]) }
    guard shape.count == 3 else {
      throw GraftError.badData("input 0 has shape \(shape); expected rank 3 or 4")
    }
    guard let headCount, headCount > 0 else {
      throw GraftError.badData("attribute 'num_heads' is needed for an input of rank 3")
    }
    guard let width = shape[2].known else { return (shape[0], shape[1], .unknown) }
    guard width % headCount == 0 else {
      throw GraftError.badData("input 0 has \(width) channels; expected a multiple of \(headCount)")
    }
    return (shape[0], shape[1], .known(width / headCount))
  }

  /// How many pairs are rotated.
  private func rotatedHalf(_ headSize: Int) throws -> Int {
    let rotated = rotatedSize == 0 ? headSize : rotatedSize
    guard rotated <= headSize, rotated % 2 == 0 else {
      throw GraftError.badData(
        "\(rotated) channels of a head of \(headSize) cannot be rotated in pairs")
    }
    return rotated / 2
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let isPacked = shape.count == 3
    let headCount = isPacked ? self.headCount ?? 1 : shape[1]
    let length = isPacked ? shape[1] : shape[2]
    let headSize = isPacked ? shape[2] / headCount : shape[3]
    let half = try rotatedHalf(headSize)
    let caches = try context.input(1).shape
    let hasPositions = context.hasInput(3)
    let (step, partner) = isInterleaved ? (2, 1) : (1, half)
    return .parallel(
      count: headSize == 0 ? 0 : shape.elementCount / headSize,
      grain: max(1, 16384 / max(1, headSize)), inPlaceInputs: [0]
    ) { arguments, rows in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for row in rows {
        // Of [N, S, heads] or [N, heads, S].
        let token =
          isPacked ? row / headCount : row / (headCount * length) * length + row % length
        var position = token
        if hasPositions {
          let given = arguments.input(3, as: Int64.self)[token]
          guard given >= 0, given < caches[0] else {
            throw GraftError.badData("position \(given) is outside of the \(caches[0]) cached ones")
          }
          position = Int(given)
        }
        let cosines = arguments.input(1, as: Element.self) + position * half
        let sines = arguments.input(2, as: Element.self) + position * half
        let source = x + row * headSize
        let target = y + row * headSize
        for i in 0..<half {
          let (a, b) = (source[i * step], source[i * step + partner])
          target[i * step] = cosines[i] * a - sines[i] * b
          target[i * step + partner] = sines[i] * a + cosines[i] * b
        }
        for i in 2 * half..<headSize { target[i] = source[i] }
      }
    }
  }

  /// The rotation by the opposite angles.
  func gradient(_ builder: inout GradientBuilder) throws {
    guard !builder.needs(1), !builder.needs(2) else {
      throw GraftError.unsupported("RotaryEmbedding's angles have no gradient")
    }
    guard builder.needs(0) else { return }
    let opposite = builder.add("Neg", [try builder.input(2)])
    var inputs = builder.node.inputs
    inputs[0] = try builder.outputGradient()
    inputs[2] = opposite
    builder.setInputGradient(
      0, builder.add("RotaryEmbedding", inputs, attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let cosines = Tensor.floats([1, 0.5, 0.8, 0], [2, 2])
    let sines = Tensor.floats([0, 0.5, 0.6, 1], [2, 2])
    return [
      OperatorExample(
        "halves",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 2, 4]), cosines, sines,
          .integers([1, 0], [1, 2]),
        ],
        outputs: [.floats([-1, -4, 3, 2, 5, -1, 7, 7], [1, 1, 2, 4])], differentiableInputs: [0]),
      OperatorExample(
        "interleaved, two heads, the last channels stay",
        attributes: [
          "num_heads": .int(2), "interleaved": .int(1), "rotary_embedding_dim": .int(2),
        ],
        inputs: [
          .floats([1, 2, 3, 4, 5, 6], [1, 1, 6]), .floats([0.8], [1, 1, 1]),
          .floats([0.6], [1, 1, 1]),
        ],
        outputs: [.floats([-0.4, 2.2, 3, 0.2, 6.4, 6], [1, 1, 6])], differentiableInputs: [0]),
    ]
  }
}
