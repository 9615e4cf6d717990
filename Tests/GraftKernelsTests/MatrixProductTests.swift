import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Matrix products of every instruction set against sums in double.
@Suite(.serialized) struct MatrixProductTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var rows: Int
    var columns: Int
    var depth: Int
    var testDescription: String { "\(rows)x\(depth) by \(depth)x\(columns)" }
  }

  /// Around the sizes of tiles, of blocks of depth, and of the paths for few rows and one column.
  static let cases = [
    Case(rows: 1, columns: 1, depth: 1), Case(rows: 1, columns: 37, depth: 130),
    Case(rows: 2, columns: 33, depth: 65), Case(rows: 3, columns: 70, depth: 40),
    Case(rows: 4, columns: 9, depth: 301), Case(rows: 5, columns: 31, depth: 17),
    Case(rows: 14, columns: 32, depth: 64), Case(rows: 15, columns: 33, depth: 289),
    Case(rows: 29, columns: 47, depth: 19), Case(rows: 61, columns: 1, depth: 77),
    Case(rows: 43, columns: 80, depth: 3), Case(rows: 7, columns: 5, depth: 600),
    Case(rows: 1, columns: 300, depth: 900), Case(rows: 70, columns: 130, depth: 150),
  ]

  private func reference(
    _ left: Tensor, _ right: Tensor, _ addend: Tensor?, _ sizes: Case, isLeftTransposed: Bool,
    isRightTransposed: Bool, alpha: Double, beta: Double
  ) throws -> Reference {
    let (rows, columns, depth) = (sizes.rows, sizes.columns, sizes.depth)
    let a = try left.reals()
    let b = try right.reals()
    let c = try addend?.reals()
    var reference = Reference(shape: [rows, columns])
    for row in 0..<rows {
      for column in 0..<columns {
        let index = row * columns + column
        for k in 0..<depth {
          let x = a[isLeftTransposed ? k * rows + row : row * depth + k]
          let y = b[isRightTransposed ? column * depth + k : k * columns + column]
          reference.add(alpha * x * y, at: index)
        }
        guard let c, let shape = addend?.shape else { continue }
        let spansRows = shape.count == 2 && shape[0] == rows
        let spansColumns = shape.last == columns
        let place =
          (spansRows ? row * (spansColumns ? columns : 1) : 0) + (spansColumns ? column : 0)
        reference.add(beta * c[place], at: index)
      }
    }
    return reference
  }

  @Test(arguments: cases, [ElementType.float, .double])
  func gemm(_ sizes: Case, _ elementType: ElementType) throws {
    var generator = Generator(seed: UInt64(sizes.rows * 1000 + sizes.columns))
    let (rows, columns, depth) = (sizes.rows, sizes.columns, sizes.depth)
    let addendShapes: [Shape?] = [
      nil, [rows, columns], [columns], [rows, 1], [], [1, columns], [1, 1], [1],
    ]
    for (index, (isLeftTransposed, isRightTransposed)) in [
      (false, false), (false, true), (true, false), (true, true),
    ].enumerated() {
      let left = try generator.tensor(
        elementType, isLeftTransposed ? [depth, rows] : [rows, depth])
      let right = try generator.tensor(
        elementType, isRightTransposed ? [columns, depth] : [depth, columns])
      for shape in [addendShapes[index], addendShapes[index + 4]] {
        let addend = try shape.map { try generator.tensor(elementType, $0) }
        let (alpha, beta): (Float, Float) = index % 2 == 0 ? (1, 1) : (0.5, -2)
        try expect(
          try reference(
            left, right, addend, sizes, isLeftTransposed: isLeftTransposed,
            isRightTransposed: isRightTransposed, alpha: Double(alpha), beta: Double(beta)),
          from: "Gemm",
          attributes: [
            "transA": .int(isLeftTransposed ? 1 : 0), "transB": .int(isRightTransposed ? 1 : 0),
            "alpha": .float(alpha), "beta": .float(beta),
          ],
          inputs: [left, right, addend], "addend \(shape ?? [-1])")
      }
    }
  }

  @Test(arguments: [1, 3, 6, 20])
  func readsUnalignedInputs(rows: Int) throws {
    var generator = Generator(seed: 7)
    let sizes = Case(rows: rows, columns: 67, depth: 90)
    for isTransposed in [false, true] {
      let left = try generator.tensor(.float, [rows, 90])
      let right = try generator.tensor(.float, isTransposed ? [67, 90] : [90, 67])
      let addend = try generator.tensor(.float, [67])
      try expect(
        try reference(
          left, right, addend, sizes, isLeftTransposed: false, isRightTransposed: isTransposed,
          alpha: 1, beta: 1),
        from: "Gemm", attributes: ["transB": .int(isTransposed ? 1 : 0)],
        inputs: [left.misaligned(), right.misaligned(), addend.misaligned()])
    }
  }

  /// Large right matrices are read in place past more rows than fit into registers.
  @Test(arguments: [5, 17, 32, 33]) func largeMatricesAreStreamed(rows: Int) throws {
    var generator = Generator(seed: 9)
    let sizes = Case(rows: rows, columns: 2053, depth: 2051)
    let left = try generator.tensor(.float, [rows, sizes.depth])
    let right = try generator.tensor(.float, [sizes.depth, sizes.columns])
    try expect(
      try reference(
        left, right, nil, sizes, isLeftTransposed: false, isRightTransposed: false, alpha: 1,
        beta: 1),
      from: "MatMul", inputs: [left, right.misaligned()])
  }

  @Test func broadcastsBatches() throws {
    var generator = Generator(seed: 11)
    let left = try generator.tensor(.float, [3, 1, 5, 20])
    let right = try generator.tensor(.float, [4, 20, 33])
    let (a, b) = (try left.reals(), try right.reals())
    var reference = Reference(shape: [3, 4, 5, 33])
    for index in 0..<reference.values.count {
      let (rest, column) = index.quotientAndRemainder(dividingBy: 33)
      let (batch, row) = rest.quotientAndRemainder(dividingBy: 5)
      for k in 0..<20 {
        reference.add(
          a[(batch / 4 * 5 + row) * 20 + k] * b[(batch % 4 * 20 + k) * 33 + column], at: index)
      }
    }
    try expect(reference, from: "MatMul", inputs: [left, right])
  }

  @Test func integersWrap() throws {
    func product<Element: TensorElement & FixedWidthInteger>(of type: Element.Type) throws {
      var generator = Generator(seed: 3)
      let (rows, columns, depth) = (6, 21, 10)
      let a = (0..<(rows * depth)).map { _ in Element.random(in: .min ... .max, using: &generator) }
      let b = (0..<(depth * columns)).map { _ in
        Element.random(in: .min ... .max, using: &generator)
      }
      var expected = [Element](repeating: 0, count: rows * columns)
      for row in 0..<rows {
        for column in 0..<columns {
          for k in 0..<depth {
            expected[row * columns + column] &+= a[row * depth + k] &* b[k * columns + column]
          }
        }
      }
      for instructionSet in testedInstructionSets {
        let output = try evaluate(
          try OperatorCatalog.make(
            Node(operatorType: "MatMul", inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2)])),
          inputs: [
            .tensor(try Tensor(a, shape: [rows, depth])),
            .tensor(try Tensor(b, shape: [depth, columns])),
          ], wantedOutputs: [true], instructionSet: instructionSet)
        #expect(try outputElements(output) == expected, "\(instructionSet)")
      }
    }
    try product(of: Int32.self)
    try product(of: UInt32.self)
    try product(of: Int64.self)
    try product(of: UInt64.self)
  }

  private func outputElements<Element: TensorElement>(
    _ outputs: [RuntimeValue?]
  ) throws -> [Element] {
    try #require(try outputs[0]?.tensor).elements()
  }
}
