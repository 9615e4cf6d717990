import CGraftKernels
import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Kernels compute alike whatever the calling thread does to its floating-point state, and leave
/// that as it was.
@Suite struct ArithmeticTests {
  private func flushing<Result>(_ body: () throws -> Result) rethrows -> Result {
    let state = graft_cpu_set_arithmetic(1)
    defer { graft_cpu_restore_state(state) }
    return try body()
  }

  private func isFlushing() -> Bool {
    let half = Float.leastNormalMagnitude * Float(ThreadPool.maximumThreadCount) / 512
    return half == 0
  }

  @Test func threadsAgreeAndCallersKeepTheirState() throws {
    let smallest = Float.leastNonzeroMagnitude
    let x = (0..<100_000).map { Float($0 - 50_000) * smallest }
    let input = try Tensor(x, shape: [x.count])
    let node = Node(operatorType: "Add", inputs: [ValueID(0), ValueID(0)], outputs: [ValueID(1)])
    let operation = try OperatorCatalog.make(node)
    func sums(threads: Int) throws -> [Float] {
      let outputs = try evaluate(
        operation, inputs: [.tensor(input), .tensor(input)], wantedOutputs: [true],
        threads: threads)
      return try #require(try outputs[0]?.tensor).elements()
    }
    for threads in [1, 3] {
      let inside = try flushing {
        let sums = try sums(threads: threads)
        return (sums.map(\.bitPattern), isFlushing())
      }
      #expect(inside.0 == x.map { ($0 + $0).bitPattern }, "\(threads) threads")
      #expect(inside.1, "the caller's state is lost")
      #expect(!isFlushing())
      #expect(try sums(threads: threads).map(\.bitPattern) == inside.0)
    }
  }

  /// The flag of a kernel reaches all threads.
  @Test(arguments: [1, 3]) func tasksRunInTheArithmeticOfTheKernel(_ threads: Int) throws {
    for flushes in [true, false, true] {
      let x = Float.leastNormalMagnitude
      let results = UnsafeMutablePointer<Float>.allocate(capacity: 64)
      defer { results.deallocate() }
      nonisolated(unsafe) let halves = results
      let phase = PreparedKernel.Phase(taskCount: 64) { _, task in
        halves[task] = x * (0.5 + Float(task) / 256)
      }
      try ThreadPool.shared.run([phase], .none, threads: threads, flushesSubnormals: flushes)
      for task in 0..<64 { #expect((halves[task] == 0) == flushes) }
    }
  }

  /// Conversions from and to half precision never lose subnormal numbers.
  @Test func halfPrecisionIsExactWhereNumbersAreFlushed() throws {
    let halves = (0...UInt16.max).map { Float16(bitPattern: $0) }
    let expected = halves.map { Double($0) }
    let floats = expected.map { Float($0) }
    let tensor = try Tensor(halves, shape: [halves.count])
    // Ties and what is just beside them, which round to subnormal numbers, among others.
    let sources = (0..<4096).flatMap { index -> [Double] in
      let middle = (Double(index) + 0.5) * 0x1p-24
      return [middle.nextDown, middle, middle.nextUp, -middle]
    }
    let rounded = sources.map { Float16($0).bitPattern }
    try flushing {
      let doubles = try convert(tensor, to: .double)
      let singles = try convert(tensor, to: .float)
      let wide: [UInt64] = try doubles.elements(as: Double.self).map(\.bitPattern)
      let narrow: [UInt32] = try singles.elements(as: Float.self).map(\.bitPattern)
      for index in halves.indices where !expected[index].isNaN {
        #expect(wide[index] == expected[index].bitPattern)
        #expect(narrow[index] == floats[index].bitPattern)
      }
      for source in [doubles, singles] {
        let back = try convert(source, to: .float16).elements(as: Float16.self)
        for index in halves.indices where !expected[index].isNaN {
          #expect(back[index].bitPattern == halves[index].bitPattern)
        }
      }
      let results = try convert(Tensor(sources, shape: [sources.count]), to: .float16)
      #expect(try results.elements(as: Float16.self).map(\.bitPattern) == rounded)
    }
  }

  private func convert(_ tensor: Tensor, to type: ElementType) throws -> Tensor {
    let result = try Tensor(zeros: type, shape: tensor.shape)
    try ElementConversion.convert(
      tensor.baseAddress, tensor.elementType, to: result.baseAddress, type,
      count: tensor.elementCount)
    return result
  }
}
