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
    func product(_ x: Double, _ y: Double) -> Double { x * y }
    func squaredDistance(_ x: Double, _ y: Double) -> Double { (x - y) * (x - y) }
    let kernels = [table.products, table.squared_distances]
    let terms = [product, squaredDistance]
    for (kernel, term) in zip(kernels, terms) {
      var results = [Double](repeating: .nan, count: 3)
      // Empty arrays have no address.
      (x + [0]).withUnsafeBufferPointer { x in
        (rows + [0]).withUnsafeBufferPointer { rows in
          guard let x = x.baseAddress, let rows = rows.baseAddress else { return }
          kernel(x, rows, 3, Int64(length), &results)
        }
      }
      for row in 0..<3 {
        var expected = 0.0
        for i in 0..<length { expected += term(x[i], Double(rows[row * length + i])) }
        #expect(abs(results[row] - expected) < 1e-12, "row \(row)")
      }
    }
  }
}
