import GraftFiles
import GraftTensor

/// What type and shape inference of one node sees, and where it puts its answers.
///
/// The same inference runs at import, where extents may be symbols, and at plan time, where all extents
/// are known and so are the contents of whatever could be computed already.
package struct InferenceContext {
  package let inputTypes: [ValueType?]
  /// Inputs that are given, but of whose types nothing is known: unknown operators compute them.
  private let unknownInputs: Set<Int>
  /// What inputs contain, where that is known: constants, and what was folded.
  package let inputContents: [Tensor?]
  package private(set) var outputTypes: [ValueType?]
  /// What outputs contain, where that follows from shapes alone.
  package private(set) var outputContents: [Tensor?]
  /// Which outputs are wanted.
  package let wantedOutputs: [Bool]

  package init(
    inputTypes: [ValueType?], inputContents: [Tensor?], wantedOutputs: [Bool],
    unknownInputs: Set<Int> = []
  ) {
    self.inputTypes = inputTypes
    self.unknownInputs = unknownInputs
    self.inputContents = inputContents
    self.wantedOutputs = wantedOutputs
    self.outputTypes = Array(repeating: nil, count: wantedOutputs.count)
    self.outputContents = Array(repeating: nil, count: wantedOutputs.count)
  }

  package var inputCount: Int { inputTypes.count }
  package var outputCount: Int { wantedOutputs.count }

  /// Whether an optional input was given.
  package func hasInput(_ index: Int) -> Bool {
    index < inputTypes.count && (inputTypes[index] != nil || unknownInputs.contains(index))
  }

  /// The type of an input; `nil` if it was left out.
  ///
  /// - Throws: `InferenceStop.unknownType` if it is given but nothing is known of it.
  package func type(_ index: Int) throws -> ValueType? {
    guard !unknownInputs.contains(index) else { throw InferenceStop.unknownType }
    return index < inputTypes.count ? inputTypes[index] : nil
  }

  /// - Throws: `GraftError` if the input is missing or no tensor, `InferenceStop.unknownType` if
  ///   nothing is known of it.
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
  /// - Throws: `InferenceStop.unknownShape` if not even the rank is known; the node's outputs stay unknown.
  package func shape(_ index: Int) throws -> [Dimension] {
    guard let shape = try input(index).shape else { throw InferenceStop.unknownShape }
    return shape
  }

  /// What an input contains.
  ///
  /// - Throws: `InferenceStop.needsContents` if that is not known yet: a plan is cut before this node.
  package func contents(_ index: Int) throws -> Tensor {
    _ = try input(index)
    guard let tensor = inputContents[index] else { throw InferenceStop.needsContents(input: index) }
    return tensor
  }

  /// What an integer input contains; `nil` if the input was left out.
  package func integers(_ index: Int) throws -> [Int]? {
    guard hasInput(index) else { return nil }
    return try contents(index).integers()
  }

  /// - Throws: `GraftError` if the input's element type is none of `allowed`.
  package func require(_ index: Int, _ allowed: Set<ElementType>) throws {
    let type = try elementType(index)
    guard allowed.contains(type) else {
      throw GraftError.badData(
        "input \(index) has element type \(type); expected one of "
          + allowed.map(\.description).sorted().joined(separator: ", "))
    }
  }

  /// - Throws: `GraftError` if the inputs' element types differ.
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

  package mutating func setOutput(_ index: Int, _ elementType: ElementType, _ shape: [Dimension]?) {
    setOutput(index, .tensor(TensorType(elementType, shape)))
  }

  package mutating func setOutput(_ index: Int, _ type: ValueType) {
    guard index < outputTypes.count else { return }
    outputTypes[index] = type
  }

  /// Says what an output contains, where shapes alone decide it (Shape, Size).
  package mutating func setContents(_ index: Int, _ tensor: Tensor) {
    guard index < outputContents.count else { return }
    outputContents[index] = tensor
  }
}

/// Why inference of a node cannot go on; no fault of the model.
package enum InferenceStop: Error {
  /// Nothing is known of an input: an operator that Graft lacks computes it.
  case unknownType
  /// The rank of an input is not known.
  case unknownShape
  /// The output's shape follows from what an input contains, and that is computed at run time.
  case needsContents(input: Int)
}
