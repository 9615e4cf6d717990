import GraftTensor
import TestSupport
import Testing

@Suite struct RuntimeSequenceTests {
  private static func value(_ number: Int) throws -> RuntimeValue {
    .tensor(try Tensor(scalar: Int64(number)))
  }

  private static func numbers(_ sequence: RuntimeSequence) throws -> [Int] {
    try sequence.map { try $0.tensor.integers()[0] }
  }

  /// Random changes are those of an array, and leave what they began with as it was.
  @Test(arguments: [3, 40, 3000])
  func changesAreThoseOfArrays(_ size: Int) throws {
    var generator = Generator(seed: UInt64(size))
    var (array, sequence) = ([Int](), RuntimeSequence())
    var earlier: [(array: [Int], sequence: RuntimeSequence)] = []
    for number in 0..<4 * size {
      if number % size == 0 { earlier.append((array, sequence)) }
      let place = generator.below(array.count + 1)
      if array.count < size || generator.oneIn(2) || place == array.count {
        let place = generator.oneIn(2) ? array.count : place
        array.insert(number, at: place)
        sequence = sequence.inserting(try Self.value(number), at: place)
      } else {
        array.remove(at: place)
        sequence = sequence.erasing(at: place)
      }
    }
    earlier.append((array, sequence))
    for (array, sequence) in earlier {
      #expect(try Self.numbers(sequence) == array)
      #expect(sequence.count == array.count)
      #expect(sequence.memoryByteCount >= 8 * array.count)
    }
    for _ in array.indices { sequence = sequence.erasing(at: generator.below(sequence.count)) }
    #expect(sequence.isEmpty)
    #expect(sequence.identity == nil)
    #expect(sequence.memoryByteCount == 0)
  }

  @Test(arguments: [0, 1, 32, 33, 1024, 1025, 5000])
  func sequencesOfArraysHaveTheirElements(_ count: Int) throws {
    let sequence = RuntimeSequence(try (0..<count).map { try Self.value($0) })
    #expect(try Self.numbers(sequence) == Array(0..<count))
  }

  @Test func patternsTellWhatElementsShare() throws {
    func tensor(_ shape: Shape, _ type: ElementType = .float) throws -> RuntimeValue {
      .tensor(try Tensor(zeros: type, shape: shape))
    }
    func shape(_ elements: [RuntimeValue]) -> [Int?]? { RuntimeSequence(elements).pattern?.shape }
    #expect(RuntimeSequence().pattern == nil)
    #expect(shape([try tensor([2, 3])]) == [2, 3])
    #expect(shape([try tensor([2, 3]), try tensor([4, 3])]) == [nil, 3])
    let ranks = RuntimeSequence([try tensor([2]), try tensor([2, 3])])
    #expect(ranks.pattern?.elementType == .float)
    #expect(ranks.pattern?.shape == nil)
    #expect(RuntimeSequence([try tensor([2]), try tensor([2], .int64)]).pattern == nil)
    #expect(RuntimeSequence([try tensor([2]), .sequence([])]).pattern == nil)
    // After what differed is gone, the rest has its own again.
    let many = RuntimeSequence(try (0..<100).map { try tensor([$0 == 50 ? 1 : 2]) })
    #expect(many.pattern?.shape == [nil])
    #expect(many.erasing(at: 50).pattern?.shape == [2])
  }

  /// A sequence that grows at both ends: quadratic time would be minutes.
  @Test(.timeLimit(.minutes(2)))
  func growingTakesLittleTime() throws {
    let element = try Self.value(1)
    var sequence = RuntimeSequence()
    for number in 0..<100_000 {
      sequence = sequence.inserting(element, at: number % 2 == 0 ? 0 : sequence.count)
    }
    #expect(sequence.count == 100_000)
  }

  @Test func memoryThatNoNumberCountsIsTheLargest() throws {
    // A quarter of all numbers.
    var sequence: RuntimeSequence = [.tensor(try Tensor(zeros: .float, shape: [1 << 10]))]
    for _ in 0..<60 { sequence = [.sequence(sequence), .sequence(sequence)] }
    #expect(sequence.memoryByteCount == .max)
  }
}
