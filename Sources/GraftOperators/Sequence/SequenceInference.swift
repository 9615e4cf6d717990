import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension InferenceContext {
  /// The type of the elements of a sequence.
  ///
  /// - Throws: `GraftError` if the input is missing or not a sequence
  func sequenceElement(_ index: Int) throws -> ValueType {
    guard let type = try type(index) else {
      throw GraftError.badData("input \(index) is missing")
    }
    guard let element = type.sequenceElement else {
      throw GraftError.badData("input \(index) is \(type); expected a sequence")
    }
    return element
  }

  /// - Throws: `GraftError` if an input is not a position in a sequence
  func requirePosition(_ index: Int) throws {
    guard hasInput(index) else { return }
    try require(index, [.int32, .int64])
    try requireOneElement(index)
  }

  /// The type of all these tensors in a sequence.
  ///
  /// - Throws: `GraftError` if element types differ
  func commonElement(_ first: ValueType, with index: Int) throws -> ValueType {
    let type = ValueType.tensor(try input(index))
    guard let joined = first.joined(with: type) else {
      throw GraftError.badData(
        "input \(index) is \(type); the other elements of the sequence are \(first)")
    }
    return joined
  }
}

extension GradientBuilder {
  /// The position that an input tells of an element of a sequence, from the front; `nil` if the
  /// input is left out.
  mutating func positionFromFront(_ index: Int, in sequence: ValueID) throws -> ValueID? {
    guard index < node.inputs.count, let given = node.inputs[index] else { return nil }
    let integer: [ByteString: Attribute] = ["to": .int(Int(ElementType.int64.rawValue))]
    let position = add("Cast", [given], attributes: integer)
    let zero = addConstant(try Tensor(scalar: Int64(0)))
    let isFromBack = add("Cast", [add("Less", [position, zero])], attributes: integer)
    let offset = add("Mul", [isFromBack, add("SequenceLength", [sequence])])
    return add("Add", [position, offset])
  }
}

/// The values that a kernel gets.
struct SequenceInputs {
  let values: [RuntimeValue?]

  func value(_ index: Int) throws -> RuntimeValue {
    guard index < values.count, let value = values[index] else {
      throw GraftError.badData("input \(index) is missing")
    }
    return value
  }

  /// - Throws: `GraftError` if the input is missing or not a sequence
  func sequence(_ index: Int) throws -> RuntimeSequence { try value(index).sequence }

  /// A position in a sequence from the front; `nil` if the input is left out.
  ///
  /// - Parameters:
  ///   - count: the number of elements
  ///   - allowsEnd: whether the position behind the last element is one, too
  /// - Throws: `GraftError` if the position is out of range
  func position(_ index: Int, count: Int, allowsEnd: Bool = false) throws -> Int? {
    guard index < values.count, let value = values[index] else { return nil }
    guard let position = try value.tensor.integers().first else {
      throw GraftError.badData("input \(index) has no element")
    }
    let places = 0..<count + (allowsEnd ? 1 : 0)
    let (fromFront, overflow) = position.addingReportingOverflow(position < 0 ? count : 0)
    guard !overflow, places.contains(fromFront) else {
      throw GraftError.badData(
        "position \(position) is out of range for a sequence of \(count) elements")
    }
    return fromFront
  }
}
