import GraftFiles
import GraftTensor

/// The inputs and results of type and shape inference for one node.
///
/// The same inference runs at import, where extents may be symbols, and at plan time, where all
/// extents are known, and all contents that could already be computed.
package struct InferenceContext {
  package private(set) var inputTypes: [ValueType?]
  /// Present inputs without a known type, computed by unknown operators.
  private let unknownInputs: Set<Int>
  /// The known contents of inputs: constants and folded values.
  package let inputContents: [Tensor?]
  package private(set) var outputTypes: [ValueType?]
  /// The contents of outputs that follow from shapes alone.
  package private(set) var outputContents: [Tensor?]
  /// Whether each output is used.
  package let wantedOutputs: [Bool]
  /// Infers the bodies of the node; `nil` if it has none.
  private let bodies: (any BodyInference)?

  package init(
    inputTypes: [ValueType?], inputContents: [Tensor?], wantedOutputs: [Bool],
    unknownInputs: Set<Int> = [], bodies: (any BodyInference)? = nil
  ) {
    self.inputTypes = inputTypes
    self.unknownInputs = unknownInputs
    self.bodies = bodies
    self.inputContents = inputContents
    self.wantedOutputs = wantedOutputs
    self.outputTypes = Array(repeating: nil, count: wantedOutputs.count)
    self.outputContents = Array(repeating: nil, count: wantedOutputs.count)
  }

  package var inputCount: Int { inputTypes.count }
  package var outputCount: Int { wantedOutputs.count }

  /// Whether an optional input is present.
  package func hasInput(_ index: Int) -> Bool {
    index < inputTypes.count && (inputTypes[index] != nil || unknownInputs.contains(index))
  }

  /// The type of an input; `nil` if it was omitted.
  ///
  /// - Throws: `InferenceStop.unknownType` if it is present but its type is unknown
  package func type(_ index: Int) throws -> ValueType? {
    guard !unknownInputs.contains(index) else { throw InferenceStop.unknownType }
    return index < inputTypes.count ? inputTypes[index] : nil
  }

  /// - Throws: `GraftError` if the input is missing or not a tensor, `InferenceStop.unknownType` if
  ///   its type is unknown
  package func input(_ index: Int) throws -> TensorType {
    guard let type = try type(index) else {
      throw GraftError.badData("input \(index) is missing")
    }
    guard let tensor = type.tensor else {
      throw GraftError.badData("input \(index) is \(type); expected a tensor")
    }
    return tensor
  }

  package func elementType(_ index: Int) throws -> ElementType { try input(index).elementType }

  /// The shape of an input.
  ///
  /// - Throws: `InferenceStop.unknownShape` if not even the rank is known; then the node's outputs
  ///   stay unknown
  package func shape(_ index: Int) throws -> [Dimension] {
    guard let shape = try input(index).shape else { throw InferenceStop.unknownShape }
    return shape
  }

  /// The contents of an input.
  ///
  /// - Throws: `InferenceStop.needsContents` if they are not known yet: a plan ends before this
  ///   node
  package func contents(_ index: Int) throws -> Tensor {
    _ = try input(index)
    guard let tensor = inputContents[index] else { throw InferenceStop.needsContents(input: index) }
    return tensor
  }

  /// The contents of an integer input; `nil` if the input was omitted.
  package func integers(_ index: Int) throws -> [Int]? {
    guard hasInput(index) else { return nil }
    return try contents(index).integers()
  }

  /// - Throws: `GraftError` if the input's element type is not in `allowed`
  package func require(_ index: Int, _ allowed: Set<ElementType>) throws {
    let type = try elementType(index)
    guard allowed.contains(type) else {
      throw GraftError.badData(
        "input \(index) has element type \(type); expected one of "
          + allowed.map(\.description).sorted().joined(separator: ", "))
    }
  }

  /// - Throws: `GraftError` if the inputs' element types differ
  package func requireSameElementType(_ indices: [Int]) throws {
    let present = indices.filter(hasInput)
    guard let first = present.first else { return }
    let expected = try elementType(first)
    for index in present.dropFirst() {
      let found = try elementType(index)
      guard found == expected else {
        throw GraftError.badData(
          "input \(index) has element type \(found), input \(first) has \(expected)")
      }
    }
  }

  /// Replaces the shape of a tensor input, for inference of a similar node.
  package mutating func setInputShape(_ index: Int, _ shape: [Dimension]) throws {
    inputTypes[index] = .tensor(TensorType(try elementType(index), shape))
  }

  /// Whether inference is inside of so many bodies that repeating it would take long.
  package var isDeepInBodies: Bool { (bodies?.depth ?? 0) >= 3 }

  /// What the body in an attribute computes from inputs of these types.
  ///
  /// - Parameters:
  ///   - inputs: the body's own inputs, without captured values; `nil` for an unknown type
  ///   - contents: the contents of the first of them, where known
  /// - Throws: `GraftError` if the body is invalid for these types
  package func inferBody(
    _ attribute: String, _ inputs: [ValueType?], contents: [Tensor?] = []
  ) throws -> [BodyValue] {
    guard let bodies else { throw InferenceStop.unknownType }
    return try bodies.infer(attribute, inputs, contents: contents)
  }

  package mutating func setOutput(_ index: Int, _ elementType: ElementType, _ shape: [Dimension]?) {
    setOutput(index, .tensor(TensorType(elementType, shape)))
  }

  package mutating func setOutput(_ index: Int, _ type: ValueType) {
    guard index < outputTypes.count else { return }
    outputTypes[index] = type
  }

  /// Sets the contents of an output that follow from shapes alone (Shape, Size).
  package mutating func setContents(_ index: Int, _ tensor: Tensor) {
    guard index < outputContents.count else { return }
    outputContents[index] = tensor
  }
}

/// Why inference of a node cannot continue, without the model being invalid.
package enum InferenceStop: Error {
  /// An input comes from an operator that Graft does not support.
  case unknownType
  /// The rank of an input is unknown.
  case unknownShape
  /// The output's shape depends on the contents of an input that is computed at run time.
  case needsContents(input: Int)
}
