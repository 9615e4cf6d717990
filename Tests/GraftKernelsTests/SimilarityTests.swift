import CGraftKernels
import GraftExecution
import TestSupport
import Testing

/// Products and distances of rows, with each instruction set.
@Suite struct SimilarityTests {
  @Test(arguments: InstructionSet.available, [0, 1, 15, 16, 17, 33, 200])
  func rowsAreCompared(_ instructionSet: InstructionSet, _ length: Int) {
    var generator = Generator(seed: UInt64(length))
    let x = generator.floats(length).map { Double($0) + 1e-9 }
    let rows = generator.floats(3 * length)
    let table = instructionSet.kernels.pointee.similarity.pointee
    for (kernel, term): (_, (Double, Double) -> Double) in [
      (table.products, { $0 * $1 }), (table.squared_distances, { ($0 - $1) * ($0 - $1) }),
    ] {
      var results = [Double](repeating: .nan, count: 3)
      // Empty arrays have no address.
      (x + [0]).withUnsafeBufferPointer { x in
        (rows + [0]).withUnsafeBufferPointer { rows in
          guard let x = x.baseAddress, let rows = rows.baseAddress else { return }
          kernel(x, rows, 3, Int64(length), &results)
        }
      }
      for row in 0..<3 {
        let expected = (0..<length).reduce(0.0) {
          $0 + term(x[$1], Double(rows[row * length + $1]))
        }
        #expect(abs(results[row] - expected) < 1e-12, "row \(row)")
      }
    }
  }
}
