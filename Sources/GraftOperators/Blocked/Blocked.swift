import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An ordinary operator that also runs on images in the blocked layout: what differs there.
///
/// Its kernel treats each channel alone, or knows how many there are.
package protocol BlockedForm: Operator {
  static var blockedSchema: OperatorSchema { get }

  /// The inputs that are images in blocks. Output 0 is such an image of as many channels.
  static var blockedInputs: [Int] { get }

  /// Decodes the attributes of the blocked form.
  init(blocked attributes: AttributeReader) throws

  /// The channels of the images, and checks of what only the blocked form requires; `nil` if all
  /// lanes of the blocks are alike.
  func blockedChannels(_ context: InferenceContext) throws -> Dimension?

  /// Creates the kernel for images in blocks.
  func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel

  /// Examples of ordinary images; those of rank 4 hold for the blocked form.
  static var blockedExamples: [OperatorExample] { get }
}

extension BlockedForm {
  package static var blockedInputs: [Int] { [0] }
  package init(blocked attributes: AttributeReader) throws { try self.init(attributes) }
  package func blockedChannels(_ context: InferenceContext) throws -> Dimension? { nil }
  package static var blockedExamples: [OperatorExample] { examples }
}

/// An operator of the blocked layout that is like an ordinary one, `Base`, and takes floats only.
package struct Blocked<Base: BlockedForm>: Operator {
  package static var schema: OperatorSchema { Base.blockedSchema }
  package static var flushesSubnormals: Bool { Base.flushesSubnormals }

  private let base: Base

  package init(_ attributes: AttributeReader) throws { base = try Base(blocked: attributes) }

  package func infer(_ context: inout InferenceContext) throws {
    for index in 0..<context.outputCount { context.setOutput(index, .float, nil) }
    for index in 0..<context.inputCount where context.hasInput(index) {
      if try context.elementType(index).isFloatingPoint { try context.require(index, [.float]) }
    }
    let channels = try base.blockedChannels(context)
    try context.inferBlocked(Base.blockedInputs.map { ($0, channels) }, base.infer)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try base.blockedKernel(context)
  }

  package static var examples: [OperatorExample] {
    Base.blockedExamples.compactMap { example in
      guard example.outputs.count <= schema.outputs.upperBound,
        let inputs = blocked(example.inputs, at: Base.blockedInputs),
        let outputs = blocked(example.outputs, at: [0])
      else { return nil }
      return OperatorExample(
        example.name, attributes: example.attributes, inputs: inputs, outputs: outputs,
        tolerance: example.tolerance)
    }
  }

  /// Some of the tensors in blocks; `nil` unless these are images of floats.
  private static func blocked(_ tensors: [Tensor?], at places: [Int]) -> [Tensor?]? {
    var tensors = tensors
    for place in places {
      guard place < tensors.count, let tensor = tensors[place] else { continue }
      guard tensor.rank == 4, let elements = try? tensor.elements(as: Float.self) else {
        return nil
      }
      tensors[place] = .blocks(elements, tensor.shape)
    }
    return tensors
  }
}
