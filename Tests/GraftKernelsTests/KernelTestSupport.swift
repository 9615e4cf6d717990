import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// The instruction sets of this machine that kernels are written for.
let testedInstructionSets = InstructionSet.available

/// More threads than the machine may have processors, so that results for 8 are those of 8.
private let wideThreadPool = ThreadPool(threadCount: 8)

extension Generator {
  /// A tensor of float or double between -1 and 1.
  mutating func tensor(_ elementType: ElementType, _ shape: Shape) throws -> Tensor {
    let elements = (0..<shape.elementCount).map { _ in Float.random(in: -1...1, using: &self) }
    return elementType == .double
      ? try Tensor(elements.map(Double.init), shape: shape) : try Tensor(elements, shape: shape)
  }
}

extension Tensor {
  /// The elements of a tensor of floating point.
  func reals() throws -> [Double] {
    elementType == .double ? try elements() : try elements(as: Float.self).map(Double.init)
  }

  /// The same elements where no element is aligned.
  func misaligned() throws -> Tensor {
    let storage = try Storage.heap(byteCount: byteCount + 1)
    withUnsafeBytes { bytes in
      if let address = bytes.baseAddress {
        (storage.baseAddress + 1).copyMemory(from: address, byteCount: bytes.count)
      }
    }
    return try Tensor(elementType: elementType, shape: shape, storage: storage, byteOffset: 1)
  }
}

/// The expected outputs of a node, and the allowed error of each element.
struct Reference {
  var shape: Shape
  var values: [Double]
  /// For each element the sum of the magnitudes of what it is the sum of.
  var magnitudes: [Double]

  init(shape: Shape) {
    self.shape = shape
    values = [Double](repeating: 0, count: shape.elementCount)
    magnitudes = values
  }

  mutating func add(_ term: Double, at index: Int) {
    values[index] += term
    magnitudes[index] += abs(term)
  }
}

/// Runs a node with every instruction set, with constant and with computed inputs (or some of
/// these), with 1, 2, 3 and 8 threads; expects the reference, and the same bits for any number of
/// threads.
func expect(
  _ reference: Reference, from operatorType: String, domain: String = "",
  attributes: [ByteString: Attribute] = [:], inputs: [Tensor?], _ comment: String = "",
  instructionSets: [InstructionSet] = testedInstructionSets, precision: Precision = .float,
  bfloat16Instructions: BFloat16Instructions = .detected, constantness: [Bool] = [false, true],
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let node = Node(
    operatorType: operatorType, domain: domain,
    inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
    outputs: [ValueID(inputs.count)], attributes: attributes)
  let operation = try OperatorCatalog.make(node)
  for instructionSet in instructionSets {
    for isConstant in constantness {
      var first: Tensor?
      // How work is cut into tasks does not depend on the instruction set.
      for threads in instructionSet == instructionSets.last ? [1, 2, 3, 8] : [1, 2] {
        let outputs = try evaluate(
          operation, inputs: inputs.map { $0.map { .tensor($0) } }, wantedOutputs: [true],
          instructionSet: instructionSet, precision: precision,
          bfloat16Instructions: bfloat16Instructions, treatInputsAsConstant: isConstant,
          threads: threads,
          pool: wideThreadPool)
        let output = try #require(try outputs[0]?.tensor)
        guard let expected = first else {
          first = output
          expect(
            output, matches: reference,
            "\(instructionSet), constant: \(isConstant); \(comment)",
            sourceLocation: sourceLocation)
          continue
        }
        let isSame = output.withUnsafeBytes { bytes in
          expected.withUnsafeBytes { $0.elementsEqual(bytes) }
        }
        #expect(
          isSame, "\(threads) threads give other bits; \(instructionSet); \(comment)",
          sourceLocation: sourceLocation)
      }
    }
  }
}

/// Expects each element within 16 rounding errors of the sum of magnitudes: sums of up to a few
/// hundred terms stay far below that, a wrong or missing term does not.
private func expect(
  _ output: Tensor, matches reference: Reference, _ comment: Comment,
  sourceLocation: SourceLocation
) {
  #expect(output.shape == reference.shape, comment, sourceLocation: sourceLocation)
  guard output.shape == reference.shape, let values = try? output.reals() else { return }
  let unit = output.elementType == .double ? Double.ulpOfOne : Double(Float.ulpOfOne)
  for index in values.indices {
    let difference = abs(values[index] - reference.values[index])
    guard difference <= 16 * unit * (reference.magnitudes[index] + 1e-3) else {
      Issue.record(
        "element \(index) is \(values[index]), not \(reference.values[index]); \(comment)",
        sourceLocation: sourceLocation)
      return
    }
  }
}

/// The ways to compute a node that round differently; `nil` for the only one. How tiles are dealt
/// to tasks does not change the bits.
func kernelChoices(
  _ operation: any Operator, _ inputs: [Tensor], _ instructionSet: InstructionSet,
  _ precision: Precision
) throws -> [(problem: String, name: String)?] {
  var inference = InferenceContext(
    inputTypes: inputs.map { .tensor(TensorType($0.elementType, $0.shape.map { .known($0) })) },
    inputContents: inputs, wantedOutputs: [true])
  try operation.inferTypes(&inference)
  let context = PrepareContext(
    inputs: inputs.map { .init(elementType: $0.elementType, shape: $0.shape, constant: $0) },
    outputs: inference.outputTypes.map { type in
      type?.tensor.flatMap { tensor in
        tensor.shape?.knownShape.map {
          PrepareContext.Description(elementType: tensor.elementType, shape: $0)
        }
      }
    },
    instructionSet: instructionSet, precision: precision, packedConstants: PackedConstants())
  guard let choice = try operation.makeKernel(context).choice else { return [nil] }
  var forms: Set<Substring> = []
  return choice.candidates.filter { forms.insert($0.prefix { $0 != "," }).inserted }.map {
    (choice.problem, $0)
  }
}
