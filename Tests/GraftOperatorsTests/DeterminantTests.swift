import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Determinants and cofactors against sums over permutations.
@Suite struct DeterminantTests {
  /// Laplace's expansion along the first row.
  private func determinant(_ rows: [[Double]]) -> Double {
    guard let first = rows.first else { return 1 }
    var sum = 0.0
    for (column, element) in first.enumerated() {
      let sign = column % 2 == 0 ? 1.0 : -1
      sum += sign * element * determinant(minor(rows, 0, column))
    }
    return sum
  }

  private func minor(_ rows: [[Double]], _ row: Int, _ column: Int) -> [[Double]] {
    rows.enumerated().filter { $0.offset != row }.map { _, elements in
      elements.enumerated().filter { $0.offset != column }.map(\.element)
    }
  }

  /// A matrix of a rank, as the product of two factors.
  private func matrix(_ order: Int, rank: Int, seed: UInt64) -> [[Double]] {
    var generator = Generator(seed: seed)
    func factor(_ rows: Int, _ columns: Int) -> [[Double]] {
      (0..<rows).map { _ in generator.floats(columns).map(Double.init) }
    }
    let (left, right) = (factor(order, rank), factor(rank, order))
    return left.map { row in
      (0..<order).map { column in (0..<rank).reduce(0) { $0 + row[$1] * right[$1][column] } }
    }
  }

  @Test(arguments: 1...6) func determinantsAndCofactors(_ order: Int) throws {
    for rank in max(0, order - 3)...order {
      let rows = matrix(order, rank: rank, seed: UInt64(10 * order + rank))
      let tensor = try Tensor(rows.flatMap { $0 }, shape: [order, order])
      let found = try NodeTesting.run("Det", [tensor], .current).doubles()[0]
      #expect(abs(found - (rank == order ? determinant(rows) : 0)) < 1e-13)
      let node = Node(
        operatorType: "DetGradient", domain: "graft", inputs: [ValueID(0), ValueID(1)],
        outputs: [ValueID(2)])
      let cofactors = try NodeTesting.apply(node, [try Tensor(scalar: 1.0), tensor]).doubles()
      for row in 0..<order {
        for column in 0..<order {
          let sign = (row + column) % 2 == 0 ? 1.0 : -1
          let expected = rank < order - 1 ? 0 : sign * determinant(minor(rows, row, column))
          #expect(
            abs(cofactors[row * order + column] - expected) < 1e-12, "order \(order), rank \(rank)")
        }
      }
    }
  }

  @Test func largeMatricesAndSpecialNumbers() throws {
    let order = 80
    // A permutation times 2.
    var elements = [Float](repeating: 0, count: order * order)
    for row in 0..<order { elements[row * order + (row + 1) % order] = 1.5 }
    let tensor = try Tensor(elements, shape: [1, order, order])
    let found = try NodeTesting.run("Det", [tensor], .current).doubles()[0]
    #expect(abs(found / -pow(1.5, Double(order)) - 1) < 1e-6)
    elements[0] = .nan
    let spoiled = try NodeTesting.run(
      "Det", [try Tensor(elements, shape: [1, order, order])], .current)
    #expect(try spoiled.doubles()[0].isNaN)
    expectError(.badData, "square") {
      try NodeTesting.run("Det", [try Tensor(zeros: .float, shape: [2, 3])], .current)
    }
  }
}
