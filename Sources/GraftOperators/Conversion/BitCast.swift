import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The bits of each element as an element of another type of the same width.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__BitCast.html>
struct BitCast: Operator {
  static let schema = OperatorSchema("BitCast", since: [26], inputs: 1...1)
  static let operandCount = 1

  let target: ElementType

  init(_ attributes: AttributeReader) throws {
    target = try attributes.required("to", attributes.elementType("to"))
  }

  func infer(_ context: inout InferenceContext) throws {
    let source = try context.elementType(0)
    guard source != .string, target.bitWidth == source.bitWidth else {
      throw GraftError.badData(
        "the input's \(source) and the output's \(target) differ in the number of bits; "
          + "use Cast to convert numbers")
    }
    context.setOutput(0, target, try context.input(0).shape)
  }

  func isIdentity(_ context: InferenceContext) -> Bool {
    (try? context.elementType(0)) == target
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let byteCount = try context.input(0).byteCount
    let target = target
    return .parallel(count: byteCount, grain: 1 << 16, inPlaceInputs: [0]) { arguments, range in
      let source = arguments.input(0, as: UInt8.self)
      let result = arguments.output(0, as: UInt8.self)
      // In memory, an element of less than a byte fills one, and a truth value is 0 or 1.
      let padding = UInt8(max(0, 8 - target.bitWidth))
      for i in range {
        result[i] =
          if target == .bool {
            source[i] == 0 ? 0 : 1
          } else if target.isSignedInteger {
            UInt8(bitPattern: Int8(bitPattern: source[i] << padding) >> padding)
          } else {
            (source[i] << padding) >> padding
          }
      }
    }
  }

  static var examples: [OperatorExample] {
    let floats = Tensor.floats([1, -2, 0.5], [3])
    let integers = Tensor.example([0x3F80_0000, -0x4000_0000, 0x3F00_0000] as [Int32], [3])
    return [
      OperatorExample(
        "floats", attributes: ["to": .int(6)], inputs: [floats], outputs: [integers]),
      OperatorExample(
        "integers", attributes: ["to": .int(1)], inputs: [integers], outputs: [floats]),
      OperatorExample(
        "bytes", attributes: ["to": .int(3)],
        inputs: [.example([1, 127, 128, 255] as [UInt8], [4])],
        outputs: [.example([1, 127, -128, -1] as [Int8], [4])]),
    ]
  }
}
