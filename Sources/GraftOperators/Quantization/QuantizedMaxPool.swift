import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``MaxPool`` of bytes with channels last, [N, …, C], without indices.
package struct QuantizedMaxPool: Operator {
  package static let schema = OperatorSchema(
    "QuantizedMaxPool", domain: "graft", since: [1], inputs: 1...1)
  package static let isLaborious = true

  private let window: PoolingWindow

  package init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let shape = try window.inferChannelsLast(context)
    context.setOutput(0, try context.elementType(0), shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let pooling = try QuantizedPooling(
      window, image: input.shape.channelsFirst, input.elementType)
    let channels = pooling.channels
    let instructions = IntegerInstructions(context)
    // In a window within the padding there is nothing but the lowest number.
    let lowest: UInt8 = pooling.kind.isSigned ? 0x80 : 0
    return pooling.kernel { arguments, window, _, position, _ in
      let target = arguments.output(0, as: UInt8.self) + position * channels
      guard window.pixel_count > 0 else {
        target.update(repeating: lowest, count: channels)
        return
      }
      window.target = target
      instructions.table.maximum(&window)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "padding and ceil_mode",
        attributes: [
          "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 0, 0]),
          "ceil_mode": .int(1),
        ],
        inputs: [.example([2, -2, 3, -3, 1, 5, 0, -5, 4, -6, -4, -1] as [Int8], [1, 4, 3, 1])],
        outputs: [.example([2, 5, 1, 5] as [Int8], [1, 2, 2, 1])]),
      OperatorExample(
        "two channels", attributes: ["kernel_shape": .ints([2])],
        inputs: [.example([1, 200, 3, 7, 2, 9] as [UInt8], [1, 3, 2])],
        outputs: [.example([3, 200, 3, 9] as [UInt8], [1, 2, 2])]),
    ]
  }
}
