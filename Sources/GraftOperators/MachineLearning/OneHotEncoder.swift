import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A new last axis with 1 at the place of the element's category, else 0. Real numbers are
/// truncated to integers.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_OneHotEncoder.html>
struct OneHotEncoder: Operator {
  static let schema = OperatorSchema(
    "OneHotEncoder", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let integers: [Int: Int]
  private let strings: [ByteString: Int]
  private let categoryCount: Int
  /// Whether elements of no category make zeros, instead of an error.
  private let allowsOthers: Bool

  init(_ attributes: AttributeReader) throws {
    let numbers = try attributes.ints("cats_int64s") ?? []
    let texts = try attributes.strings("cats_strings") ?? []
    guard numbers.isEmpty != texts.isEmpty else {
      throw GraftError.badData("needs either 'cats_int64s' or 'cats_strings'")
    }
    integers = Dictionary(numbers.enumerated().map { ($0.element, $0.offset) }) { $1 }
    strings = Dictionary(texts.enumerated().map { (ByteString($0.element), $0.offset) }) { $1 }
    categoryCount = numbers.count + texts.count
    allowsOthers = try attributes.flag("zeros", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    try context.require(0, strings.isEmpty ? .features : [.string])
    context.setOutput(0, .float, try context.shape(0) + [.known(categoryCount)])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let outputShape = try context.output(0).shape
    let operation = self
    let categoryCount = categoryCount
    guard input.elementType != .string else {
      return .growing { inputs, memory in
        try memory.require([Tensor.memoryByteCount(.float, outputShape)])
        let result = try Tensor(zeros: .float, shape: outputShape)
        let target = result.baseAddress.assumingMemoryBound(to: Float.self)
        for (index, text) in (try inputs.first??.tensor.strings ?? []).enumerated() {
          let place = operation.strings[ByteString(text)]
          if let place = try operation.checked(place, text) {
            target[index * categoryCount + place] = 1
          }
        }
        return [.tensor(result)]
      }
    }
    let type = input.elementType
    return .parallel(count: input.elementCount, grain: max(1, (1 << 14) / categoryCount)) {
      arguments, range in
      let target = arguments.output(0, as: Float.self) + range.lowerBound * categoryCount
      target.update(repeating: 0, count: range.count * categoryCount)
      for index in range {
        let row = arguments.output(0, as: Float.self) + index * categoryCount
        let number = operation.integer(arguments.input(0), type, index)
        let place = number.flatMap { operation.integers[$0] }
        if let place = try operation.checked(place, number.map(\.description) ?? "NaN") {
          row[place] = 1
        }
      }
    }
  }

  private func checked(_ place: Int?, _ element: String) throws -> Int? {
    guard place != nil || allowsOthers else {
      throw GraftError.badData("'\(element.prefix(40))' is none of the \(categoryCount) categories")
    }
    return place
  }

  /// An element as an integer; `nil` if none is near.
  private func integer(_ base: UnsafeRawPointer, _ type: ElementType, _ index: Int) -> Int? {
    switch type {
    case .int64: Int(base.assumingMemoryBound(to: Int64.self)[index])
    case .int32: Int(base.assumingMemoryBound(to: Int32.self)[index])
    case .double:
      Int(exactly: base.assumingMemoryBound(to: Double.self)[index].rounded(.towardZero))
    default: Int(exactly: base.assumingMemoryBound(to: Float.self)[index].rounded(.towardZero))
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "integers", attributes: ["cats_int64s": .ints([1, 2])],
        inputs: [.integers([1, 2, 3, 1], [2, 2])],
        outputs: [.floats([1, 0, 0, 1, 0, 0, 1, 0], [2, 2, 2])]),
      OperatorExample(
        "floats are truncated", attributes: ["cats_int64s": .ints([1, -1, 0])],
        inputs: [.floats([1.7, -1.2, 0.5, .nan], [4])],
        outputs: [.floats([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], [4, 3])]),
      OperatorExample(
        "strings", attributes: ["cats_strings": .strings(["a", "b"]), "zeros": .int(0)],
        inputs: [.strings(["b", "a"], [2])], outputs: [.floats([0, 1, 1, 0], [2, 2])]),
    ]
  }
}
