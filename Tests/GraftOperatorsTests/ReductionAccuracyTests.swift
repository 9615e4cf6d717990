import GraftTensor
import Testing

/// Reductions of rows of every length around those of the vectors, against double precision.
@Suite struct ReductionAccuracyTests {
  static let lengths = Array(1...70) + [127, 256, 1000, 5003]

  @Test(arguments: lengths)
  func sumsOfRows(_ length: Int) throws {
    let input = try NodeTesting.numbers([13, length], seed: length)
    let elements = try input.elements(as: Float.self).map(Double.init)
    let axis = try Tensor([Int64(1)], shape: [1])
    let rows = (0..<13).map { elements[$0 * length..<($0 + 1) * length] }
    let sums = rows.map { $0.reduce(0, +) }
    let expected = [
      "ReduceSum": sums, "ReduceMean": sums.map { $0 / Double(length) },
      "ReduceSumSquare": rows.map { $0.reduce(0) { $0 + $1 * $1 } },
      "ReduceL1": rows.map { $0.reduce(0) { $0 + abs($1) } },
      "ReduceL2": rows.map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() },
    ]
    for (name, expected) in expected {
      for set in NodeTesting.instructionSets {
        let results = try NodeTesting.run(name, [input, axis], set).elements(as: Float.self)
        // Sums in double are rounded once.
        for (result, expected) in zip(results, expected) {
          #expect(
            abs(Double(result) - expected) <= 1e-12 + 6.1e-8 * abs(expected),
            "\(name), length \(length), \(set)")
        }
      }
    }
  }

  @Test(arguments: lengths)
  func extremesOfRowsWithInfinitiesAndNaN(_ length: Int) throws {
    var elements = try NodeTesting.numbers([13, length], seed: length).elements(as: Float.self)
    elements[2 * length + length / 2] = .nan
    elements[3 * length + length - 1] = .nan
    elements[4 * length] = .nan
    elements[5 * length + length / 3] = .infinity
    elements[6 * length + length / 3] = -.infinity
    for index in 0..<length {
      elements[7 * length + index] = -.infinity
      elements[8 * length + index] = .nan
      elements[9 * length + index] = .infinity
    }
    let input = try Tensor(elements, shape: [13, length])
    let axis = try Tensor([Int64(1)], shape: [1])
    for set in NodeTesting.instructionSets {
      let largest = try NodeTesting.run("ReduceMax", [input, axis], set).elements(as: Float.self)
      let smallest = try NodeTesting.run("ReduceMin", [input, axis], set).elements(as: Float.self)
      for row in 0..<13 {
        let elements = elements[row * length..<(row + 1) * length]
        guard !elements.contains(where: \.isNaN) else {
          #expect(largest[row].isNaN && smallest[row].isNaN, "row \(row) of \(length), \(set)")
          continue
        }
        #expect(largest[row] == elements.max(), "row \(row) of \(length), \(set)")
        #expect(smallest[row] == elements.min(), "row \(row) of \(length), \(set)")
      }
    }
  }

  @Test func whatLiesBehindAShortRowDoesNotCount() throws {
    var elements = [Float](repeating: 1, count: 36)
    for index in elements.indices where index % 9 >= 3 { elements[index] = .nan }
    elements[1] = .infinity
    let input = try Tensor(elements, shape: [12, 3])
    let axis = try Tensor([Int64(1)], shape: [1])
    for set in NodeTesting.instructionSets {
      let sums = try NodeTesting.run("ReduceSum", [input, axis], set).elements(as: Float.self)
      for row in 0..<12 {
        let expected = elements[3 * row] + elements[3 * row + 1] + elements[3 * row + 2]
        #expect(sums[row] == expected || sums[row].isNaN && expected.isNaN, "row \(row), \(set)")
      }
    }
  }
}
