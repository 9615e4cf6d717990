import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Products of floats with weights of 8 and 4 bits, against sums in double.
@Suite(.serialized) struct QuantizedWeightsTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var rows: Int
    var columns: Int
    var depth: Int
    var type: ElementType
    var isTransposed = false
    /// 0 for one scale, 1 for one per column, 2 for one per row, 3 for blocks along the depth, 4
    /// for blocks along the columns.
    var scales: Int
    var testDescription: String {
      "\(rows)x\(depth)x\(columns) \(type) transposed \(isTransposed) scales \(scales)"
    }
  }

  static let cases: [Case] = {
    var cases: [Case] = []
    for (number, type) in [ElementType.int8, .uint8, .int4, .uint4].enumerated() {
      for isTransposed in [false, true] {
        for scales in 0...4 {
          let sizes = [(1, 70, 130), (2, 66, 64), (3, 32, 40), (7, 130, 72), (29, 18, 200)]
          let (rows, columns, depth) = sizes[(number + scales) % sizes.count]
          cases.append(
            Case(
              rows: rows, columns: columns, depth: depth, type: type, isTransposed: isTransposed,
              scales: scales))
        }
      }
    }
    // One element, and an odd number of columns, which are not packed
    cases.append(Case(rows: 1, columns: 1, depth: 1, type: .int8, scales: 0))
    cases.append(Case(rows: 5, columns: 35, depth: 67, type: .int4, scales: 1))
    cases.append(Case(rows: 230, columns: 40, depth: 20, type: .uint8, scales: 3))
    return cases
  }()

  @Test(arguments: cases) func product(_ example: Case) throws {
    var generator = Generator(kind: 9, case: example.rows * 100 + example.scales)
    let (rows, columns, depth) = (example.rows, example.columns, example.depth)
    let shape = example.isTransposed ? [columns, depth] : [depth, columns]
    let bits = example.type.bitWidth
    let lowest = example.type.isSignedInteger ? -(1 << (bits - 1)) : 0
    let integers = (0..<depth * columns).map { _ in
      Int.random(in: lowest..<lowest + 1 << bits, using: &generator)
    }
    // The axis of the weights along which scales change, and the extent of a block.
    let (depthAxis, columnAxis) = example.isTransposed ? (1, 0) : (0, 1)
    let axis = [2, 3].contains(example.scales) ? depthAxis : columnAxis
    let block = [3: 16, 4: 8][example.scales] ?? 0
    var scaleShape: Shape = []
    if block > 0 {
      scaleShape = shape
      scaleShape[axis] = (shape[axis] + block - 1) / block
    } else if example.scales > 0 {
      scaleShape = [shape[axis]]
    }
    let scales = (0..<scaleShape.elementCount).map { _ in
      Float.random(in: 0.5...2, using: &generator)
    }
    let zeros = (0..<scaleShape.elementCount).map { _ in
      Int.random(in: lowest..<lowest + 1 << bits, using: &generator)
    }
    let x = generator.floats(rows * depth)
    let addend = generator.floats(columns)
    func scale(_ row: Int, _ column: Int) -> Int {
      let place = [row, column]
      if example.scales == 0 { return 0 }
      if block == 0 { return place[axis] }
      return axis == 0 ? row / block * shape[1] + column : row * scaleShape[1] + column / block
    }
    var reference = Reference(shape: [rows, columns])
    for row in 0..<rows {
      for column in 0..<columns {
        let index = row * columns + column
        reference.add(Double(addend[column]), at: index)
        for k in 0..<depth {
          let (i, j) = example.isTransposed ? (column, k) : (k, column)
          let number = scale(i, j)
          let weight = Float(integers[i * shape[1] + j] - zeros[number]) * scales[number]
          reference.add(Double(x[row * depth + k]) * Double(weight), at: index)
        }
      }
    }
    var attributes: [ByteString: Attribute] = [
      "axis": .int(axis), "block_size": .int(block), "transB": .int(example.isTransposed ? 1 : 0),
    ]
    var weights = try Tensor(doubles: integers.map(Double.init), as: example.type, shape: shape)
    if bits == 4, shape[1] % 2 == 0 {
      attributes["packed"] = .int(Int(example.type.rawValue))
      let pairs = stride(from: 0, to: integers.count, by: 2).map {
        UInt8(integers[$0] & 15 | (integers[$0 + 1] & 15) << 4)
      }
      weights = try Tensor(pairs, shape: [shape[0], shape[1] / 2])
    }
    try expect(
      reference, from: "MatMulQuantizedWeights", domain: "graft", attributes: attributes,
      inputs: [
        try Tensor(x, shape: [rows, depth]).misaligned(), try weights.misaligned(),
        try Tensor(scales, shape: scaleShape),
        try Tensor(doubles: zeros.map(Double.init), as: example.type, shape: scaleShape),
        try Tensor(addend, shape: [columns]),
      ])
  }

  @Test func wrongShapesAreRefused() throws {
    func run(_ inputs: [Tensor?], _ attributes: [ByteString: Attribute] = [:]) throws {
      let node = Node(
        operatorType: "MatMulQuantizedWeights", domain: "graft",
        inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
        outputs: [ValueID(9)], attributes: attributes)
      _ = try evaluate(
        OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
        wantedOutputs: [true])
    }
    let x = try Tensor(zeros: .float, shape: [2, 4])
    let one = try Tensor(scalar: Float(1))
    expectError(.badData, "4 columns", "3 rows") {
      try run([x, Tensor(zeros: .int8, shape: [3, 5]), one])
    }
    expectError(.badData, "[3]") {
      try run([x, Tensor(zeros: .int8, shape: [4, 5]), Tensor(zeros: .float, shape: [3])])
    }
    expectError(.badData, "matrix") { try run([x, Tensor(zeros: .int8, shape: [4]), one]) }
    expectError(.badData, "not packed") {
      try run([x, Tensor(zeros: .uint8, shape: [4, 5]), one], ["packed": .int(3)])
    }
    expectError(.badData, "input 4") {
      try run([
        x, Tensor(zeros: .int8, shape: [4, 5]), one, nil, Tensor(zeros: .float, shape: [4]),
      ])
    }
  }
}
