import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A chain of elementwise operators over floats, computed in one pass over memory.
///
/// `operators` names the steps in order: ONNX's elementwise operators with one or two operands,
/// Clip with both bounds, and `Normalize`, which is (x - mean) · scale + shift. `operands` lists
/// their operands, one after another: an input of the node from 0 on, or the result of step `k` as
/// `-1 - k`. The attributes of step `k` are named `k.name`. The last step computes the output, to
/// whose shape inputs are broadcast. Each step reads an input of that shape, or another step's
/// result.
struct FusedElementwise: Operator {
  static let schema = OperatorSchema(
    "FusedElementwise", domain: "graft", since: [1], inputs: 1...maximumInputCount)

  static let maximumInputCount = 24
  static let maximumStepCount = 24

  let steps: [ElementwiseStep]

  init(_ attributes: AttributeReader) throws {
    let names = try attributes.required("operators", attributes.strings("operators"))
    let operands = try attributes.required("operands", attributes.ints("operands"))
    guard (1...Self.maximumStepCount).contains(names.count) else {
      throw GraftError.badData(
        "has \(names.count) steps; expected 1 to \(Self.maximumStepCount)")
    }
    var steps: [ElementwiseStep] = []
    var rest = operands[...]
    for (index, name) in names.enumerated() {
      let prefix = "\(index)."
      let own = attributes.attributes.filter { $0.key.text.hasPrefix(prefix) }.map {
        (ByteString($0.key.text.dropFirst(prefix.count)), $0.value)
      }
      let function = try ElementwiseFunction(
        name, AttributeReader(Dictionary(own, uniquingKeysWith: { first, _ in first })))
      guard rest.count >= function.operandCount else {
        throw GraftError.badData("attribute 'operands' has too few elements")
      }
      let step = ElementwiseStep(
        function: function,
        operands: rest.prefix(function.operandCount).map(ElementwiseOperand.init))
      rest = rest.dropFirst(function.operandCount)
      guard step.operands.allSatisfy({ $0.isKnown(beforeStep: index) }) else {
        throw GraftError.badData("step \(index) reads the result of a later one")
      }
      steps.append(step)
    }
    guard rest.isEmpty else {
      throw GraftError.badData("attribute 'operands' has too many elements")
    }
    self.steps = steps
  }

  func infer(_ context: inout InferenceContext) throws {
    let count = context.inputCount
    for index in 0..<count { try context.require(index, [.float]) }
    for step in steps {
      for case .input(let index) in step.operands where index >= count {
        throw GraftError.badData("a step reads input \(index) of \(count)")
      }
    }
    try context.setBroadcastOutput(.float, inputs: Array(0..<count))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0).shape
    let chain = try ElementwiseChain(
      steps, operands: try context.inputs.indices.map { try context.input($0).shape },
      output: output, context.instructionSet)
    let block = Int(GRAFT_CHAIN_BLOCK)
    let count = output.elementCount
    let inPlaceInputs = try context.inPlaceInputs(among: Array(context.inputs.indices))
    return .parallel(
      count: (count + block - 1) / block, grain: max(2, 24 / steps.count),
      workerScratchByteCount: chain.bufferCount * block * MemoryLayout<Float>.stride,
      inPlaceInputs: inPlaceInputs
    ) { arguments, blocks in
      let first = blocks.lowerBound * block
      chain.run(arguments, first..<min(blocks.upperBound * block, count))
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "scale, shift and Relu",
        attributes: [
          "operators": .strings([Mul.schema.name, Add.schema.name, Relu.schema.name]),
          "operands": .ints([0, 1, -1, 2, -2]),
        ],
        inputs: [
          .floats([1, -2, 3, -4, 5, 6], [1, 2, 3]), .floats([2, 0.5], [2, 1]), .floats([1], []),
        ],
        outputs: [.floats([3, 0, 7, 0, 3.5, 4], [1, 2, 3])]),
      OperatorExample(
        "a step with an attribute, and one that is read twice",
        attributes: [
          "operators": .strings([LeakyRelu.schema.name, Sub.schema.name, Mul.schema.name]),
          "operands": .ints([0, 1, -1, -1, -2]), "0.alpha": .float(0.5),
        ],
        inputs: [.floats([1, -2], [2]), .floats([3, 4], [2])],
        outputs: [.floats([2, -5], [2])]),
      OperatorExample(
        "Clip and normalization",
        attributes: [
          "operators": .strings(["Normalize", Clip.schema.name]),
          "operands": .ints([0, 1, 2, 3, -1, 4, 5]),
        ],
        inputs: [
          .floats([1, -2, 3, -4], [2, 2]), .floats([1, 2], [2]), .floats([2, -1], [2]),
          .floats([0.5, 1], [2]), .floats([0], []), .floats([5], []),
        ],
        outputs: [.floats([0.5, 5, 4.5, 5], [2, 2])]),
      OperatorExample(
        "empty", attributes: ["operators": .strings([Exp.schema.name]), "operands": .ints([0])],
        inputs: [.floats([], [0, 2])], outputs: [.floats([], [0, 2])]),
    ]
  }
}
