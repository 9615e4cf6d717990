import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// The distributions of random operators, with fixed seeds, and what their numbers depend on.
@Suite struct RandomOperatorTests {
  private static let count = 50_000

  private func draw(
    _ name: String, _ inputs: [Tensor?] = [], _ attributes: [ByteString: Attribute] = [:],
    threads: Int = 1
  ) throws -> Tensor {
    try NodeTesting.run(name, inputs, attributes: attributes, .current, threads: threads)
  }

  /// The Kolmogorov-Smirnov statistic times the root of the count: above 1.95 once in a thousand
  /// times.
  private func deviation(_ numbers: [Double], from distribution: (Double) -> Double) -> Double {
    let sorted = numbers.sorted()
    var largest = 0.0
    for (index, number) in sorted.enumerated() {
      let expected = distribution(number)
      largest = max(
        largest, expected - Double(index) / Double(sorted.count),
        Double(index + 1) / Double(sorted.count) - expected)
    }
    return largest * Double(sorted.count).squareRoot()
  }

  private func moments(_ numbers: [Double]) -> (mean: Double, variance: Double) {
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    let squares = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, squares / Double(numbers.count))
  }

  @Test(arguments: [0, 1, 2.5, -7, .infinity] as [Float], [ElementType.float, .double])
  func normalNumbers(_ seed: Float, _ type: ElementType) throws {
    let attributes: [ByteString: Attribute] = [
      "seed": .float(seed), "mean": .float(2), "scale": .float(3), "shape": .ints([Self.count]),
      "dtype": .int(Int(type.rawValue)),
    ]
    let numbers = try draw("RandomNormal", [], attributes).doubles()
    let (mean, variance) = moments(numbers)
    // Five standard deviations.
    #expect(abs(mean - 2) < 5 * 3 / Double(Self.count).squareRoot())
    #expect(abs(variance - 9) < 5 * 9 * (2 / Double(Self.count)).squareRoot())
    #expect(deviation(numbers) { (1 + erf(($0 - 2) / 3 / 2.0.squareRoot())) / 2 } < 1.95)
    // Neighbours have nothing in common.
    let products = zip(numbers, numbers.dropFirst()).map { ($0 - 2) * ($1 - 2) / 9 }
    #expect(abs(moments(products).mean) < 5 / Double(Self.count).squareRoot())
  }

  @Test(arguments: [0, 1, 2.5, -7] as [Float])
  func uniformNumbers(_ seed: Float) throws {
    let attributes: [ByteString: Attribute] = [
      "seed": .float(seed), "low": .float(-1), "high": .float(3), "shape": .ints([Self.count]),
    ]
    let numbers = try draw("RandomUniform", [], attributes).doubles()
    #expect(numbers.allSatisfy { $0 >= -1 && $0 <= 3 })
    let (mean, variance) = moments(numbers)
    #expect(abs(mean - 1) < 5 * (16.0 / 12 / Double(Self.count)).squareRoot())
    #expect(abs(variance - 16.0 / 12) < 0.03)
    #expect(deviation(numbers) { ($0 + 1) / 4 } < 1.95)
  }

  @Test func likeFormsDrawTheSame() throws {
    for (name, attributes) in [
      ("RandomNormal", ["mean": .float(1), "scale": .float(2)]),
      ("RandomUniform", ["low": .float(1), "high": .float(2)]),
    ] as [(String, [ByteString: Attribute])] {
      var attributes = attributes
      attributes["seed"] = .float(3)
      let like = try draw("\(name)Like", [try Tensor(zeros: .float, shape: [3, 5])], attributes)
      attributes["shape"] = .ints([3, 5])
      #expect(try largestDifference(like, draw(name, [], attributes)) == 0)
    }
  }

  @Test(arguments: [0, 5] as [Float]) func trialsHaveTheirProbability(_ seed: Float) throws {
    // Ten groups, by probability.
    let probabilities = (0..<Self.count).map { Float($0 % 11) / 10 }
    let input = try Tensor(probabilities, shape: [Self.count])
    let results = try draw("Bernoulli", [input], ["seed": .float(seed)]).elements(as: Float.self)
    for group in 0...10 {
      let own = stride(from: group, to: Self.count, by: 11).map { results[$0] }
      #expect(own.allSatisfy { $0 == 0 || $0 == 1 })
      let p = Double(group) / 10
      let deviation = (Double(own.count) * p * (1 - p)).squareRoot()
      #expect(abs(Double(own.count { $0 == 1 }) - Double(own.count) * p) <= 5 * deviation)
    }
    for type in [ElementType.bool, .int8, .uint64, .double, .float16] {
      let other = try draw(
        "Bernoulli", [input], ["seed": .float(seed), "dtype": .int(Int(type.rawValue))])
      #expect(other.elementType == type)
      #expect(try other.converted(to: .float).elements() == results)
    }
  }

  @Test(arguments: [-0.1, 1.1, .nan] as [Float])
  func impossibleProbabilitiesAreRefused(_ probability: Float) throws {
    expectError(.badData, "probability") {
      try draw("Bernoulli", [try Tensor([0.5, probability], shape: [2])])
    }
  }

  @Test(arguments: [0, 4] as [Float]) func classesHaveTheirFrequencies(_ seed: Float) throws {
    // Logarithms of 1, 2, 3, 4 and 0 tenths, shifted, and of equal probabilities.
    let weights: [Float] = [0.1, 0.2, 0.3, 0.4, 0]
    let rows = weights.map { Foundation.log($0) + 7 } + [Float](repeating: -3, count: 5)
    let drawn = try draw(
      "Multinomial", [try Tensor(rows, shape: [2, 5])],
      ["seed": .float(seed), "sample_size": .int(Self.count)])
    #expect(drawn.shape == [2, Self.count] && drawn.elementType == .int32)
    let classes = try drawn.integers()
    for (row, expected) in [weights, [Float](repeating: 0.2, count: 5)].enumerated() {
      let own = classes[row * Self.count..<(row + 1) * Self.count]
      var square = 0.0
      for (index, p) in expected.enumerated() {
        let wanted = Double(p) * Double(Self.count)
        let found = Double(own.count { $0 == index })
        if wanted == 0 { #expect(found == 0) } else { square += pow(found - wanted, 2) / wanted }
      }
      // Chi-square with four degrees of freedom: above 18.5 once in a thousand times.
      #expect(square < 18.5)
    }
  }

  @Test func rowsWithoutProbabilitiesAreRefused() throws {
    for number in [-Float.infinity, .nan, .infinity] {
      expectError(.badData, "row 1") {
        try draw("Multinomial", [try Tensor([0, 0, number, number], shape: [2, 2])])
      }
    }
    expectError(.badData, "0 classes") {
      try draw("Multinomial", [try Tensor(zeros: .float, shape: [1, 0])])
    }
    expectError(.badData, "sample_size") {
      try draw(
        "Multinomial", [try Tensor(zeros: .float, shape: [1, 1])], ["sample_size": .int(-1)])
    }
  }

  @Test func numbersDependOnTheSeedAlone() throws {
    let attributes: [ByteString: Attribute] = ["shape": .ints([3000]), "seed": .float(1)]
    let first = try draw("RandomNormal", [], attributes).elements(as: Float.self)
    #expect(try draw("RandomNormal", [], attributes, threads: 4).elements() == first)
    var other = attributes
    other["seed"] = .float(1.5)
    #expect(try draw("RandomNormal", [], other).elements() != first)
    other["seed"] = nil
    let unseeded = try draw("RandomNormal", [], other).elements(as: Float.self)
    #expect(unseeded != first)
    other["stream"] = .int(1)
    #expect(try draw("RandomNormal", [], other).elements() != unseeded)
  }

  @Test func impossibleShapesAndTypesAreRefused() throws {
    for shape in [[-1], [1 << 62, 4]] {
      expectError(.badData) { try draw("RandomUniform", [], ["shape": .ints(shape)]) }
    }
    expectError(.badData, "dtype") {
      try draw("RandomUniform", [], ["shape": .ints([1]), "dtype": .int(6)])
    }
    expectError(.badData, "dtype") {
      try draw("RandomNormalLike", [try Tensor([1] as [Int64], shape: [1])])
    }
    expectError(.badData, "'shape' is missing") { try draw("RandomNormal") }
  }
}
