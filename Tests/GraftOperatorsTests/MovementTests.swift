import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Cases too large for the operators' own examples: blocked copies, several tasks, bad indices.
@Suite struct MovementTests {
  private func run(
    _ name: String, _ inputs: [Tensor?], attributes: [ByteString: Attribute] = [:], threads: Int = 1
  ) throws -> Tensor {
    let node = Node(
      operatorType: name, inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
      outputs: [ValueID(inputs.count)], attributes: attributes)
    let outputs = try evaluate(
      OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
      wantedOutputs: [true], threads: threads)
    return try #require(try outputs[0]?.tensor)
  }

  @Test(arguments: [ElementType.uint8, .int16, .float, .double, .complex128])
  func transposesBlocks(_ type: ElementType) throws {
    let (rows, columns) = (131, 77)
    let width = type.byteWidth
    let matrix = try Tensor(zeros: type, shape: [2, rows, columns])
    matrix.withUnsafeMutableBytes { bytes in
      for index in bytes.indices {
        bytes[index] = UInt8(truncatingIfNeeded: index &* 31 &+ index >> 8)
      }
    }
    let result = try run(
      "Transpose", [matrix], attributes: ["perm": .ints([0, 2, 1])], threads: 3)
    #expect(result.shape == [2, columns, rows])
    let isRight = matrix.withUnsafeBytes { source in
      result.withUnsafeBytes { target in
        (0..<2 * rows * columns).allSatisfy { index in
          let (plane, place) = index.quotientAndRemainder(dividingBy: rows * columns)
          let (row, column) = place.quotientAndRemainder(dividingBy: columns)
          let moved = plane * rows * columns + column * rows + row
          return source[index * width..<(index + 1) * width].elementsEqual(
            target[moved * width..<(moved + 1) * width])
        }
      }
    }
    #expect(isRight)
  }

  /// Sizes around those of the squares that vectors transpose.
  @Test(arguments: [ElementType.uint8, .int16, .float, .double])
  func transposesWithEveryInstructionSet(_ type: ElementType) throws {
    let extents = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 131]
    for rows in extents {
      for columns in extents + [4099] where rows * columns < 70_000 {
        let numbers = try Tensor((0..<rows * columns).map(Double.init), shape: [rows, columns])
        let matrix = try numbers.converted(to: type)
        let expected = try Tensor(
          (0..<rows * columns).map { Double($0 % rows * columns + $0 / rows) },
          shape: [columns, rows]
        ).converted(to: type)
        for set in NodeTesting.instructionSets {
          let result = try NodeTesting.run("Transpose", [matrix], set, threads: 2)
          let isRight = result.withUnsafeBytes { bytes in
            expected.withUnsafeBytes { bytes.elementsEqual($0) }
          }
          #expect(isRight, "\(rows) x \(columns) of \(type), \(set)")
        }
      }
    }
  }

  @Test func aMovedAxisOfExtentOneMovesNothing() throws {
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: "Transpose", inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: ["perm": .ints([0, 2, 1])]))
    let kernel = try operation.prepare(
      PrepareContext(
        inputs: [.init(elementType: .float, shape: [2, 1, 3])],
        outputs: [.init(elementType: .float, shape: [2, 3, 1])],
        packedConstants: PackedConstants()))
    guard case .alias(input: 0) = kernel.form else {
      Issue.record("expected an alias of input 0")
      return
    }
  }

  @Test func badIndicesNameIndexAndAxis() throws {
    let data = try Tensor([Float](repeating: 0, count: 6), shape: [2, 3])
    let indices = try Tensor([Int64(0), 3], shape: [2])
    do {
      _ = try run("Gather", [data, indices], attributes: ["axis": .int(1)])
      Issue.record("expected an error")
    } catch let error as GraftError {
      #expect(error.message.contains("index 3 at position 1"))
      #expect(error.message.contains("axis 1 of extent 3"))
    }
  }

  @Test func indicesAreCheckedWhereNothingMoves() throws {
    let empty = try Tensor([Float](), shape: [2, 0])
    let good = try Tensor([Int64](repeating: 1, count: 100), shape: [100])
    #expect(try run("Gather", [empty, good]).shape == [100, 0])
    let bad = try Tensor([Int64(2)], shape: [1])
    expectError(.badData, "index 2", "extent 2") { try run("Gather", [empty, bad]) }
  }

  @Test func scatteringIsTheSameOnAnyNumberOfThreads() throws {
    let count = 5000
    let data = try Tensor([Float](repeating: 0, count: 7 * 40), shape: [7, 40])
    let indices = try Tensor((0..<count).map { Int64($0 * $0 % 7) }, shape: [count, 1])
    let updates = try Tensor(
      (0..<count * 40).map { 1 / Float($0 % 977 + 1) }, shape: [count, 40])
    let results = try [1, 4].map { threads in
      try run(
        "ScatterND", [data, indices, updates], attributes: ["reduction": .string("add")],
        threads: threads
      ).elements(as: Float.self)
    }
    #expect(results[0] == results[1])
  }
}
