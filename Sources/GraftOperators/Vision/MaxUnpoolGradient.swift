import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``MaxUnpool``: what arrives where each element went. It is 0 for elements that
/// later ones have replaced.
///
/// Inputs: dy, indices. The attributes are those of MaxUnpool.
struct MaxUnpoolGradient: Operator {
  static let schema = OperatorSchema(
    "MaxUnpoolGradient", domain: "graft", since: [1], inputs: 2...2)

  private let window: UnpoolingWindow

  init(_ attributes: AttributeReader) throws { window = try UnpoolingWindow(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.require(1, [.int64])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let pooled = try context.shape(1)
    let (inferred, given) = (try window.inferredShape(pooled), try context.shape(0))
    guard given.count == inferred.count,
      zip(given, inferred).allSatisfy({ ($0.known ?? .max) >= ($1.known ?? 0) })
    else {
      throw GraftError.badData("input 0 has shape \(given); expected at least \(inferred)")
    }
    context.setOutput(0, elementType, pooled)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let places = try UnpooledPlaces(
      window, pooled: context.input(1).shape, output: context.input(0).shape)
    func kernel<Element: Sendable>(_: Element.Type, zero: Element) -> PreparedKernel {
      // The last element that went to each place.
      .single(scratchByteCount: places.outputCount * MemoryLayout<Int>.stride) { arguments in
        guard let scratch = arguments.scratch else { return }
        let last = scratch.assumingMemoryBound(to: Int.self)
        let indices = arguments.input(1, as: Int64.self)
        let dy = arguments.input(0, as: Element.self)
        let dx = arguments.output(0, as: Element.self)
        for index in 0..<places.pooledCount { last[try places.place(indices[index])] = index }
        for index in 0..<places.pooledCount {
          let place = try places.place(indices[index])
          dx[index] = last[place] == index ? dy[place] : zero
        }
      }
    }
    switch try context.input(0).elementType.byteWidth {
    case 2: return kernel(UInt16.self, zero: 0)
    case 4: return kernel(UInt32.self, zero: 0)
    default: return kernel(UInt64.self, zero: 0)
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one index twice", attributes: ["kernel_shape": .ints([2])],
        inputs: [.floats([1, 2, 3, 4], [1, 1, 4]), .integers([2, 2, 0], [1, 1, 3])],
        outputs: [.floats([0, 3, 1], [1, 1, 3])])
    ]
  }
}
