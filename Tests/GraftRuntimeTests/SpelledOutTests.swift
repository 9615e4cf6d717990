import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Gelu, LayerNormalization, RMSNormalization and products with a bias, as exporters spell them
/// out.
@Suite struct SpelledOutTests {
  private struct Formula {
    var graph = Graph(name: "formula")
    let x: ValueID
    let type: ElementType
    var generator = Generator(seed: 4)

    init(_ type: ElementType = .float) {
      self.type = type
      x = graph.addInput(name: "x", type: TensorType(type, [.symbol("N"), 3, 8]))
    }

    mutating func number(_ number: Double) throws -> ValueID {
      graph.addConstant(try Tensor(doubles: [number], as: type, shape: []))
    }

    mutating func vector(_ count: Int) throws -> ValueID {
      graph.addConstant(
        try Tensor(
          doubles: generator.floats(count).map(Double.init), as: type, shape: [count]))
    }

    mutating func add(
      _ type: String, _ inputs: ValueID..., attributes: [ByteString: Attribute] = [:]
    ) -> ValueID {
      graph.addNode(type, inputs, attributes: attributes)
    }

    /// The operators of the graph after fusion, which computes what the plain one does.
    mutating func operatorsAfterComparing(_ outputs: [ValueID]) throws -> [String] {
      graph.outputs = outputs
      var plain = Executable.Options()
      plain.optimizes = false
      let numbers = generator.floats(48).map { Double($0) * 3 }
      let input = [try Tensor(doubles: numbers, as: type, shape: [2, 3, 8])]
      let expected = try Session(Executable(graph, options: plain)).run(input)
      let results = try Session(Executable(graph)).run(input)
      let tolerance = [ElementType.float: 1e-5, .double: 1e-12][type] ?? 1e-2
      for (result, expected) in zip(results, expected) {
        try #require(result.shape == expected.shape)
        for (a, b) in zip(try result.doubles(), try expected.doubles()) {
          #expect(abs(a - b) <= tolerance * max(1, abs(b)))
        }
      }
      var fused = graph
      try fused.inferTypes()
      try Lowering.fuse(&fused)
      return fused.nodes.map(\.operatorType)
    }
  }

  private static let types: [ElementType] = [.float, .double, .float16]

  // MARK: Gelu

  /// By PyTorch, by TensorFlow, and with the half first.
  @Test(arguments: [0, 1, 2], types)
  func gelu(_ form: Int, _ type: ElementType) throws {
    var formula = Formula(type)
    let (x, one, half) = (formula.x, try formula.number(1), try formula.number(0.5))
    let argument =
      form == 1
      ? formula.add("Mul", try formula.number(0.5.squareRoot()), x)
      : formula.add("Div", x, try formula.number(2.squareRoot()))
    let erf = formula.add("Erf", argument)
    let gate = form == 1 ? formula.add("Add", one, erf) : formula.add("Add", erf, one)
    let result =
      switch form {
      case 0: formula.add("Mul", formula.add("Mul", x, gate), half)
      case 1: formula.add("Mul", x, formula.add("Mul", half, gate))
      default: formula.add("Mul", formula.add("Mul", x, half), gate)
      }
    #expect(try formula.operatorsAfterComparing([result]) == ["Gelu"])
  }

  /// The approximation, with the cube as a power or a product.
  @Test(arguments: [0, 1, 2], types)
  func geluByTanh(_ form: Int, _ type: ElementType) throws {
    var formula = Formula(type)
    let (x, one, factor) = (
      formula.x, try formula.number(1), try formula.number(0.044715)
    )
    let root = try formula.number((2 / Double.pi).squareRoot())
    let argument: ValueID
    if form == 2 {
      let square = formula.add("Mul", formula.add("Mul", factor, x), x)
      let sum = formula.add("Add", one, square)
      argument = formula.add("Mul", formula.add("Mul", x, root), sum)
    } else {
      let cube =
        form == 0
        ? formula.add("Pow", x, try formula.number(3))
        : formula.add("Mul", x, formula.add("Mul", x, x))
      let sum = formula.add("Add", x, formula.add("Mul", factor, cube))
      argument = formula.add("Mul", root, sum)
    }
    let gate = formula.add("Add", one, formula.add("Tanh", argument))
    let half = formula.add("Mul", try formula.number(0.5), x)
    let result = formula.add("Mul", half, gate)
    #expect(try formula.operatorsAfterComparing([result]) == ["Gelu"])
  }

  private enum Deviation: CaseIterable {
    case otherConstant, otherHalf, otherArgument, erfIsRead, gateIsRead
  }

  @Test(arguments: Deviation.allCases)
  private func almostGelu(_ deviation: Deviation) throws {
    var formula = Formula()
    let x = formula.x
    let divisor = try formula.number(deviation == .otherConstant ? 1.4 : 2.squareRoot())
    let argument = deviation == .otherArgument ? formula.add("Neg", x) : x
    let erf = formula.add("Erf", formula.add("Div", argument, divisor))
    let gate = formula.add("Add", erf, try formula.number(1))
    let half = try formula.number(deviation == .otherHalf ? 0.25 : 0.5)
    let result = formula.add("Mul", formula.add("Mul", x, gate), half)
    let others = deviation == .erfIsRead ? [erf] : deviation == .gateIsRead ? [gate] : []
    #expect(try !formula.operatorsAfterComparing([result] + others).contains("Gelu"))
  }

  // MARK: LayerNormalization

  private enum Form: CaseIterable {
    case powers, products, swapped, otherAxis, noBias, biasOfOne, varianceIsRead
  }

  @Test(arguments: Form.allCases)
  private func layerNormalization(_ form: Form) throws {
    var formula = Formula()
    let x = formula.x
    let axes = formula.graph.addConstant(
      try Tensor([form == .otherAxis ? 1 : -1] as [Int64], shape: [1]))
    let centered = formula.add("Sub", x, formula.add("ReduceMean", x, axes))
    let square =
      form == .products
      ? formula.add("Mul", centered, centered)
      : formula.add("Pow", centered, try formula.number(2))
    let variance = formula.add("ReduceMean", square, axes)
    let epsilon = try formula.number(1e-5)
    let sum =
      form == .swapped
      ? formula.add("Add", epsilon, variance) : formula.add("Add", variance, epsilon)
    let normal = formula.add("Div", centered, formula.add("Sqrt", sum))
    var result =
      form == .swapped
      ? formula.add("Mul", try formula.vector(8), normal)
      : formula.add("Mul", normal, try formula.vector(8))
    if form != .noBias {
      result = formula.add("Add", result, try formula.vector(form == .biasOfOne ? 1 : 8))
    }
    let others = form == .varianceIsRead ? [variance] : []
    let operators = try formula.operatorsAfterComparing([result] + others)
    if [.powers, .products, .swapped].contains(form) {
      #expect(operators == ["LayerNormalization"])
    } else {
      #expect(!operators.contains("LayerNormalization"))
    }
  }

  // MARK: RMSNormalization

  private enum Root: CaseIterable {
    case reciprocal, quotientOfOne, quotient, power
    case otherAxis, scaleOfOne, otherSquare, rootIsRead
  }

  @Test(arguments: Root.allCases, [ElementType.float, .double])
  private func rmsNormalization(_ form: Root, _ type: ElementType) throws {
    var formula = Formula(type)
    let x = formula.x
    let axes = formula.graph.addConstant(
      try Tensor([form == .otherAxis ? 1 : -1] as [Int64], shape: [1]))
    let square =
      form == .quotient
      ? formula.add("Mul", x, x)
      : formula.add("Pow", x, try formula.number(form == .otherSquare ? 4 : 2))
    let sum = formula.add(
      "Add", formula.add("ReduceMean", square, axes), try formula.number(0.0009765625))
    let root = form == .power ? sum : formula.add("Sqrt", sum)
    let normal =
      switch form {
      case .quotient: formula.add("Div", x, root)
      case .quotientOfOne:
        formula.add("Mul", x, formula.add("Div", try formula.number(1), root))
      case .power: formula.add("Mul", x, formula.add("Pow", root, try formula.number(-0.5)))
      default: formula.add("Mul", formula.add("Reciprocal", root), x)
      }
    let scale = try formula.vector(form == .scaleOfOne ? 1 : 8)
    let result =
      form == .quotient ? formula.add("Mul", scale, normal) : formula.add("Mul", normal, scale)
    let operators = try formula.operatorsAfterComparing(
      [result] + (form == .rootIsRead ? [root] : []))
    if [.reciprocal, .quotientOfOne, .quotient, .power].contains(form) {
      #expect(operators == ["RMSNormalization"])
    } else {
      #expect(!operators.contains("RMSNormalization"))
    }
  }

  /// As Llama is exported in narrow types: the normalization is in float, its scale is not.
  @Test(arguments: [ElementType.float16, .bfloat16], [true, false])
  func rmsNormalizationInFloat(_ type: ElementType, _ roundsBefore: Bool) throws {
    var formula = Formula(type)
    func cast(_ value: ValueID, _ type: ElementType, _ formula: inout Formula) -> ValueID {
      formula.add("Cast", value, attributes: ["to": .int(Int(type.rawValue))])
    }
    func number(_ number: Float, _ formula: inout Formula) throws -> ValueID {
      formula.graph.addConstant(try Tensor([number], shape: []))
    }
    let wide = cast(formula.x, .float, &formula)
    let axes = formula.graph.addConstant(try Tensor([-1] as [Int64], shape: [1]))
    let square = formula.add("Pow", wide, try number(2, &formula))
    let sum = formula.add(
      "Add", formula.add("ReduceMean", square, axes), try number(1e-6, &formula))
    let normal = formula.add("Mul", wide, formula.add("Reciprocal", formula.add("Sqrt", sum)))
    let result: ValueID
    if roundsBefore {
      result = formula.add("Mul", try formula.vector(8), cast(normal, type, &formula))
    } else {
      let scale = formula.graph.addConstant(
        try Tensor(formula.generator.floats(8), shape: [8]))
      result = cast(formula.add("Mul", normal, scale), type, &formula)
    }
    let operators = try formula.operatorsAfterComparing([result])
    #expect(
      operators == (roundsBefore ? ["RMSNormalization"] : ["Cast", "RMSNormalization", "Cast"]))
  }

  // MARK: Products

  /// A product with weights takes in its bias and the activation, at any rank.
  @Test(arguments: ["Relu", "Gelu", "Tanh"], types)
  func productWithBias(_ activation: String, _ type: ElementType) throws {
    var formula = Formula(type)
    let weights = formula.graph.addConstant(
      try Tensor(
        doubles: formula.generator.floats(40).map(Double.init), as: type, shape: [8, 5]))
    let product = formula.add("MatMul", formula.x, weights)
    let biased = formula.add("Add", try formula.vector(5), product)
    let result = formula.add(activation, biased)
    #expect(try formula.operatorsAfterComparing([result]) == ["FusedMatMul"])
  }

  /// A bias of another shape stays an Add; an activation can follow a product without one.
  @Test func otherProducts() throws {
    var formula = Formula()
    let weights = formula.graph.addConstant(
      try Tensor(formula.generator.floats(40), shape: [8, 5]))
    let product = formula.add("MatMul", formula.x, weights)
    let column = formula.graph.addConstant(
      try Tensor(formula.generator.floats(3), shape: [3, 1]))
    let sum = formula.add("Add", product, column)
    let others = formula.graph.addConstant(
      try Tensor(formula.generator.floats(24), shape: [8, 3]))
    let other = formula.add("Sigmoid", formula.add("MatMul", formula.x, others))
    #expect(
      try formula.operatorsAfterComparing([sum, other]).sorted() == [
        "Add", "FusedMatMul", "MatMul",
      ])
  }
}
