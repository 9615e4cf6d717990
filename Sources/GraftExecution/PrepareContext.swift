import GraftFiles
import GraftTensor

/// The environment of a node's `prepare`: known shapes, constants, and the machine.
package struct PrepareContext: Sendable {
  /// A tensor input or output.
  package struct Description: Sendable {
    package var elementType: ElementType
    package var shape: Shape
    /// Its contents, if constant, which can be packed.
    package var constant: Tensor?

    package init(elementType: ElementType, shape: Shape, constant: Tensor? = nil) {
      self.elementType = elementType
      self.shape = shape
      self.constant = constant
    }

    package var elementCount: Int { shape.elementCount }
    package var rank: Int { shape.count }
  }

  /// `nil` for omitted optional inputs, and for values other than tensors.
  package internal(set) var inputs: [Description?]
  package internal(set) var outputs: [Description?]
  package let instructionSet: InstructionSet
  package let precision: Precision
  /// The instructions that kernels of reduced precision may use, with an instruction set that
  /// includes AVX-512.
  package let bfloat16Instructions: BFloat16Instructions
  /// The instructions that products of integers may use, with an instruction set that has them.
  package let vnni: VNNIInstructions
  /// The measurements on this machine.
  package let tuning: TuningRecord
  package let packedConstants: PackedConstants
  /// The bodies of the node, by attribute.
  private let bodies: [ByteString: any BodyProgram]
  /// Whether each output is used, whatever its type.
  package let wantedOutputs: [Bool]

  /// - Parameter wantedOutputs: whether each output is used; by default those with a description
  package init(
    inputs: [Description?], outputs: [Description?],
    instructionSet: InstructionSet = .current, precision: Precision = .float,
    bfloat16Instructions: BFloat16Instructions = .detected,
    vnni: VNNIInstructions = .detected,
    tuning: TuningRecord = TuningRecord(), packedConstants: PackedConstants,
    bodies: [ByteString: any BodyProgram] = [:], wantedOutputs: [Bool]? = nil
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.instructionSet = instructionSet
    self.precision = precision
    self.bfloat16Instructions = bfloat16Instructions
    self.vnni = vnni
    self.tuning = tuning
    self.packedConstants = packedConstants
    self.bodies = bodies
    self.wantedOutputs = wantedOutputs ?? outputs.map { $0 != nil }
  }

  /// - Throws: `GraftError` if the node has no such body
  package func body(_ attribute: String) throws -> any BodyProgram {
    guard let body = bodies[attribute] else {
      throw GraftError(.software, "attribute '\(attribute)' is not a body that can run")
    }
    return body
  }

  package func hasInput(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }
  package func hasOutput(_ index: Int) -> Bool { index < outputs.count && outputs[index] != nil }

  /// - Throws: `GraftError` if the input is missing or not a tensor
  package func input(_ index: Int) throws -> Description {
    guard index < inputs.count, let description = inputs[index] else {
      throw GraftError.badData("input \(index) is missing")
    }
    return description
  }

  package func output(_ index: Int) throws -> Description {
    guard index < outputs.count, let description = outputs[index] else {
      throw GraftError.badData("output \(index) is missing")
    }
    return description
  }

  /// The contents of an input, if it is constant.
  package func constant(_ index: Int) -> Tensor? {
    index < inputs.count ? inputs[index]?.constant : nil
  }

  /// The integers in an input whose contents inference required.
  package func integers(_ index: Int) throws -> [Int]? {
    guard hasInput(index) else { return nil }
    guard let constant = constant(index) else {
      throw GraftError(.software, "input \(index) should be known at plan time")
    }
    return try constant.integers()
  }
}
