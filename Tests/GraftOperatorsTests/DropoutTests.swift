import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

@Suite struct DropoutTests {
  @Test func randomNumbersAreAFunctionOfTheirOrigin() {
    let random = CounterRandom(seed: 1, stream: 2, step: 3)
    let same = CounterRandom(seed: 1, stream: 2, step: 3)
    #expect((0..<10).map(random.bits) == (0..<10).map(same.bits))
    for other in [
      CounterRandom(seed: 2, stream: 2, step: 3), CounterRandom(seed: 1, stream: 3, step: 3),
      CounterRandom(seed: 1, stream: 2, step: 4), CounterRandom(seed: 2, stream: 1, step: 3),
    ] {
      #expect(random.bits(at: 0) != other.bits(at: 0))
    }
  }

  @Test func randomNumbersAreUniform() {
    let random = CounterRandom(seed: 42)
    let numbers = (0..<20_000).map { random.uniform(at: $0) }
    #expect(numbers.allSatisfy { $0 >= 0 && $0 < 1 })
    var counts = [Int](repeating: 0, count: 10)
    for number in numbers { counts[Int(number * 10)] += 1 }
    // Standard deviation of a count: 42.
    #expect(counts.allSatisfy { abs($0 - 2000) < 210 }, "\(counts)")
    let products = zip(numbers, numbers.dropFirst()).map { ($0 - 0.5) * ($1 - 0.5) }
    #expect(abs(products.reduce(0, +) / Double(products.count)) < 0.003)
  }

  @Test func dropsTheRatioAndScalesTheRest() throws {
    let count = 40_000
    let (y, mask) = try drop(try Tensor([Float](repeating: 1, count: count), shape: [count]))
    let values: [Float] = try y.elements()
    let kept = try mask.elements(as: Bool.self)
    #expect(zip(values, kept).allSatisfy { $0 == ($1 ? 4 : 0) })
    // Standard deviation: 87.
    #expect(abs(kept.count { $0 } - count / 4) < 440)
    let again = try drop(
      try Tensor([Float](repeating: 1, count: count), shape: [count]), threads: 2)
    #expect(try again.y.elements(as: Float.self) == values)
  }

  @Test(arguments: [ElementType.double, .float16, .bfloat16])
  func otherTypesDropTheSameElements(_ type: ElementType) throws {
    let ones = try Tensor([Float](repeating: 1, count: 100), shape: [100])
    let (y, mask) = try drop(ones)
    let other = try drop(try ones.converted(to: type))
    #expect(try other.mask.elements(as: Bool.self) == mask.elements())
    #expect(try largestDifference(other.y, y.converted(to: type)) == 0)
  }

  @Test(arguments: [-0.1, 1.5, .nan] as [Float])
  func ratiosOutsideAreRefused(_ ratio: Float) throws {
    expectError(.badData, "\(ratio)") { try drop(Tensor([1] as [Float], shape: [1]), ratio: ratio) }
  }

  @Test func olderFormsAreUpgraded() throws {
    var graph = Graph()
    let data = graph.addInput(name: "data", type: TensorType(.float, [3]))
    let y = graph.addValue()
    let mask = graph.addValue()
    var node = Node(
      operatorType: "Dropout", inputs: [data], outputs: [y, mask],
      attributes: ["ratio": .float(0.25), "is_test": .int(0), "consumed_inputs": .ints([0])])
    let context = try NodeTesting.upgrade(&node, in: graph, opset: 6)
    #expect(node.attributes.isEmpty)
    #expect(try context.graph.constant(node.inputs[1])?.elements() == [Float(0.25)])
    let cast = try #require(context.nodesAfter.first)
    #expect(cast.operatorType == "Cast" && cast.outputs == [mask])
    #expect(cast.inputs == [node.outputs[1]])
    let type = try AttributeReader(cast.attributes).int("to")
    #expect(type == Int(ElementType.float.rawValue))
  }

  private func drop(
    _ data: Tensor, ratio: Float = 0.75, threads: Int = 1
  ) throws -> (y: Tensor, mask: Tensor) {
    let node = Node(
      operatorType: "Dropout", inputs: [ValueID(0), ValueID(1), ValueID(2)],
      outputs: [ValueID(3), ValueID(4)], attributes: ["seed": .int(7)])
    let outputs = try evaluate(
      OperatorCatalog.make(node),
      inputs: [
        .tensor(data), .tensor(try Tensor(scalar: ratio)), .tensor(try Tensor(scalar: true)),
      ], wantedOutputs: [true, true], threads: threads)
    return (try #require(try outputs[0]?.tensor), try #require(try outputs[1]?.tensor))
  }
}
