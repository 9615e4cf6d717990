import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// DFT and STFT in all instruction sets, against the sums of their definition in double.
@Suite struct FourierTests {
  /// All small lengths, products of the steps' factors, large prime factors, and lengths around
  /// those of vectors.
  static let lengths =
    Array(1...40)
    + [48, 49, 61, 64, 66, 67, 74, 77, 96, 100, 121, 125, 127, 128, 134, 169, 200, 243, 256, 343]
    + [360, 400, 441, 500, 512]

  /// A complex number.
  struct Point: Equatable {
    var re = 0.0
    var im = 0.0
  }

  private static func transform(_ points: [Point], length: Int, isInverse: Bool = false) -> [Point]
  {
    let sign = isInverse ? 1.0 : -1.0
    let roots = (0..<length).map { k -> Point in
      let angle = sign * 2 * Double.pi * Double(k) / Double(length)
      return Point(re: cos(angle), im: sin(angle))
    }
    return (0..<length).map { k in
      var sum = Point()
      for (j, point) in points.prefix(length).enumerated() {
        let root = roots[j * k % length]
        sum.re += point.re * root.re - point.im * root.im
        sum.im += point.re * root.im + point.im * root.re
      }
      return sum
    }
  }

  private func points(_ tensor: Tensor) throws -> [Point] {
    let numbers = try tensor.doubles()
    guard tensor.shape.last == 2 else { return numbers.map { Point(re: $0) } }
    return (0..<numbers.count / 2).map { Point(re: numbers[2 * $0], im: numbers[2 * $0 + 1]) }
  }

  /// The points along axis 1 of a tensor `[outer, n, inner, parts]`.
  private func line(_ points: [Point], _ shape: Shape, _ outer: Int, _ inner: Int) -> [Point] {
    (0..<shape[1]).map { points[(outer * shape[1] + $0) * shape[2] + inner] }
  }

  private func apply(
    _ input: Tensor, length: Int? = nil, attributes: [ByteString: Attribute] = [:],
    _ instructionSet: InstructionSet = .current, threads: Int = 1
  ) throws -> Tensor {
    try NodeTesting.run(
      "DFT",
      [input, try length.map { try Tensor(scalar: Int64($0)) }, try Tensor(scalar: Int64(1))],
      attributes: attributes, instructionSet, threads: threads)
  }

  private func expect(
    _ output: Tensor, _ shape: Shape, from input: Tensor, kept: Int, length: Int, scale: Double = 1,
    isInverse: Bool = false, _ comment: String, tolerance: Double,
    transform: ([Point]) -> [Point]
  ) throws {
    #expect(output.shape == shape, "\(comment)")
    guard output.shape == shape else { return }
    let (found, given) = (try points(output), try points(input))
    for outer in 0..<shape[0] {
      for inner in 0..<shape[2] {
        let expected = transform(line(given, input.shape, outer, inner))
        let result = line(found, shape, outer, inner)
        let size = expected.reduce(1e-30) { max($0, abs($1.re), abs($1.im)) }
        for (a, b) in zip(result, expected.prefix(kept)) {
          let difference = max(abs(a.re - b.re), abs(a.im - b.im)) / size
          guard difference <= tolerance else {
            Issue.record("\(comment): \(a) is not \(b)")
            return
          }
        }
      }
    }
  }

  @Test(arguments: lengths) func transformsOfAnyLength(_ n: Int) throws {
    for (type, tolerance) in [(ElementType.float, 3e-6), (.double, 2e-14)] {
      for (outer, inner) in [(3, 1), (1, 3), (2, 19)] {
        let seed = n * 7 + inner
        let complex = try NodeTesting.numbers([outer, n, inner, 2], seed: seed).converted(to: type)
        let real = try NodeTesting.numbers([outer, n, inner, 1], seed: seed).converted(to: type)
        for set in NodeTesting.instructionSets {
          let name = "\(n) points, \(outer) x \(inner), \(type), \(set)"
          try expect(
            try apply(complex, set), complex.shape, from: complex, kept: n, length: n, name,
            tolerance: tolerance
          ) { Self.transform($0, length: n) }
          try expect(
            try apply(complex, attributes: ["inverse": .int(1)], set), complex.shape, from: complex,
            kept: n, length: n, "inverse, \(name)", tolerance: tolerance
          ) {
            Self.transform($0, length: n, isInverse: true).map {
              Point(re: $0.re / Double(n), im: $0.im / Double(n))
            }
          }
          try expect(
            try apply(real, set), [outer, n, inner, 2], from: real, kept: n, length: n,
            "real, \(name)", tolerance: tolerance
          ) { Self.transform($0, length: n) }
          let half = try apply(real, attributes: ["onesided": .int(1)], set)
          try expect(
            half, [outer, n / 2 + 1, inner, 2], from: real, kept: n / 2 + 1, length: n,
            "one-sided, \(name)", tolerance: tolerance
          ) { Self.transform($0, length: n) }
          let back = try apply(
            half, length: n, attributes: ["onesided": .int(1), "inverse": .int(1)], set)
          #expect(back.shape == real.shape)
          let difference = zip(try back.doubles(), try real.doubles()).map { abs($0 - $1) }.max()
          #expect((difference ?? 0) <= tolerance * 4, "there and back, \(name)")
        }
      }
    }
  }

  @Test(arguments: [1009, 2048, 3 * 1009, 61 * 59, 65_537])
  func longLinesKeepTheirPrecision(_ n: Int) throws {
    // A few frequencies, whose transform is known.
    let frequencies = [(1, 1.0), (n / 3, 0.5), (n - 2, -0.25)]
    var numbers = [Float](repeating: 0, count: 2 * n)
    for j in 0..<n {
      for (k, weight) in frequencies {
        let angle = 2 * Double.pi * Double(j * k % n) / Double(n)
        numbers[2 * j] += Float(weight * cos(angle))
        numbers[2 * j + 1] += Float(weight * sin(angle))
      }
    }
    var expected = [Double](repeating: 0, count: 2 * n)
    for (k, weight) in frequencies { expected[2 * k] += weight * Double(n) }
    for set in NodeTesting.instructionSets {
      let result = try apply(try Tensor(numbers, shape: [1, n, 1, 2]), set)
      let difference = zip(try result.doubles(), expected).map { abs($0 - $1) }.max() ?? 0
      #expect(difference <= 1e-6 * Double(n), "\(set)")
    }
  }

  @Test(arguments: [24, 67, 100]) func linesDoNotMix(_ n: Int) throws {
    // Lines that are transformed together, one of which is not a number.
    for shape in [[40, n, 1, 2], [1, n, 40, 2], [40, n, 1, 1]] {
      let clean = try NodeTesting.numbers(shape, seed: n)
      var numbers = try clean.elements(as: Float.self)
      let spoiled = shape[0] > 1 ? 5 * n * shape[3] : 5 * shape[3]
      numbers[spoiled] = .nan
      for set in NodeTesting.instructionSets {
        let expected = try points(apply(clean, set))
        let result = try points(apply(try Tensor(numbers, shape: shape), set))
        for index in result.indices {
          let line = shape[0] > 1 ? index / n : index % shape[2]
          if line == 5 {
            #expect(result[index].re.isNaN)
          } else {
            #expect(result[index] == expected[index], "line \(line)")
          }
        }
      }
    }
  }

  @Test func threadsDoNotChangeBits() throws {
    for shape in [[33, 100, 1, 1], [3, 67, 21, 2]] {
      let input = try NodeTesting.numbers(shape, seed: 3)
      for set in NodeTesting.instructionSets {
        let results = try [1, 2, 8].map {
          try apply(input, set, threads: $0).elements(as: Float.self).map(\.bitPattern)
        }
        #expect(results[0] == results[1] && results[0] == results[2])
      }
    }
  }

  @Test(arguments: [0, 1, 5, 9, 16, 23]) func paddingAndCutting(_ length: Int) throws {
    let real = try NodeTesting.numbers([2, 9, 2, 1], seed: 4)
    guard length > 0 else {
      expectError(.badData, "0 points") { try apply(real, length: 0) }
      return
    }
    try expect(
      apply(real, length: length), [2, length, 2, 2], from: real, kept: length, length: length,
      "real", tolerance: 3e-6
    ) { Self.transform($0, length: length) }
    let complex = try NodeTesting.numbers([2, 9, 2, 2], seed: 5)
    let half = ["onesided": Attribute.int(1), "inverse": .int(1)] as [ByteString: Attribute]
    try expect(
      apply(complex, length: length, attributes: half), [2, length, 2, 1], from: complex,
      kept: length, length: length, "one-sided inverse", tolerance: 3e-6
    ) { given in
      // The second half mirrors the first, whose ends are real.
      let used = given.prefix(length / 2 + 1) + [Point](repeating: Point(), count: 30)
      var all = Array(used.prefix(length))
      all[0].im = 0
      for k in 1..<max(1, length) where 2 * k >= length {
        all[k] = Point(re: used[length - k].re, im: -used[length - k].im)
        if 2 * k == length { all[k].im = 0 }
      }
      return Self.transform(all, length: length, isInverse: true).map {
        Point(re: $0.re / Double(length))
      }
    }
  }

  @Test(arguments: [ElementType.float16, .bfloat16])
  func narrowTypesAreComputedInFloat(_ type: ElementType) throws {
    let input = try NodeTesting.numbers([2, 12, 1, 2], seed: 8).converted(to: type)
    let expected = try apply(input.converted(to: .float)).converted(to: type)
    #expect(try largestDifference(apply(input), expected) == 0)
  }

  @Test func invalidTransformsAreRefused() throws {
    let real = try Tensor(zeros: .float, shape: [1, 4, 1])
    let complex = try Tensor(zeros: .float, shape: [1, 4, 2])
    func run(
      _ input: Tensor, length: Tensor? = nil, axis: Int64? = nil,
      _ attributes: [ByteString: Attribute] = [:]
    ) throws -> Tensor {
      try NodeTesting.run(
        "DFT", [input, length, try axis.map { try Tensor(scalar: $0) }], attributes: attributes,
        .current)
    }
    expectError(.badData, "one-sided", "real") { try run(complex, ["onesided": .int(1)]) }
    expectError(.badData, "one-sided", "complex") {
      try run(real, ["onesided": .int(1), "inverse": .int(1)])
    }
    for axis in [2, -1, 3, -4, .min, .max] as [Int64] {
      expectError(.badData, "axis \(axis)") { try run(complex, axis: axis) }
    }
    for length in [-1, .min] as [Int64] {
      expectError(.badData, "\(length) points") {
        try run(complex, length: try Tensor(scalar: length))
      }
    }
    for length in [1 << 31, .max] as [Int64] {
      expectError(.unavailable, "2^30") {
        try run(complex, length: try Tensor(scalar: length))
      }
    }
    expectError(.badData, "expected 1 or 2") {
      try run(try Tensor(zeros: .float, shape: [1, 4, 3]))
    }
    expectError(.badData, "rank 1") { try run(try Tensor(zeros: .float, shape: [2])) }
  }

  @Test func emptyBatchesAndNoPoints() throws {
    let none = try apply(try Tensor(zeros: .float, shape: [0, 4, 1, 2]))
    #expect(none.shape == [0, 4, 1, 2])
    let padded = try apply(try Tensor(zeros: .float, shape: [1, 0, 1, 1]), length: 3)
    #expect(try padded.elements(as: Float.self) == [Float](repeating: 0, count: 6))
  }

  // MARK: - Older forms

  @Test func theAxisWasAnAttribute() throws {
    var node = Node(
      operatorType: "DFT", inputs: [ValueID(0)], outputs: [ValueID(1)],
      attributes: ["axis": .int(-3), "onesided": .int(1)])
    let context = try NodeTesting.upgrade(&node, opset: 19)
    #expect(node.attributes.count == 1)
    #expect(try AttributeReader(node.attributes).int("onesided") == 1)
    #expect(node.inputs.count == 3 && node.inputs[1] == nil)
    #expect(try context.graph.constant(node.inputs[2])?.integers() == [-3])
    var plain = Node(
      operatorType: "DFT", inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2)])
    let defaulted = try NodeTesting.upgrade(&plain, opset: 17)
    #expect(plain.inputs[1] == ValueID(1))
    #expect(try defaulted.graph.constant(plain.inputs[2])?.integers() == [1])
  }

  // MARK: - STFT

  @Test(arguments: [(40, 16, 4), (40, 15, 7), (33, 33, 5), (50, 8, 1), (20, 3, 9), (90, 67, 2)])
  func framesAreTransformed(_ length: Int, _ frame: Int, _ step: Int) throws {
    for parts in 1...2 {
      let signal = try NodeTesting.numbers([2, length, parts], seed: length + parts)
      let window = try NodeTesting.numbers([frame], seed: frame)
      let weights = try window.doubles()
      let given = try points(signal)
      let count = (length - frame) / step + 1
      for isOneSided in [true, false] {
        for set in NodeTesting.instructionSets {
          let result = try NodeTesting.run(
            "STFT", [signal, try Tensor(scalar: Int64(step)), window],
            attributes: ["onesided": .int(isOneSided ? 1 : 0)], set)
          let kept = isOneSided ? frame / 2 + 1 : frame
          #expect(result.shape == [2, count, kept, 2])
          let found = try points(result)
          for batch in 0..<2 {
            for index in 0..<count {
              let points = (0..<frame).map { j -> Point in
                let point = given[batch * length + index * step + j]
                return Point(re: point.re * weights[j], im: point.im * weights[j])
              }
              let expected = Self.transform(points, length: frame).prefix(kept)
              let start = (batch * count + index) * kept
              for (a, b) in zip(found[start..<start + kept], expected) {
                #expect(max(abs(a.re - b.re), abs(a.im - b.im)) < 2e-6 * Double(frame), "\(set)")
              }
            }
          }
        }
      }
    }
  }

  @Test func invalidFramesAreRefused() throws {
    let signal = try Tensor(zeros: .float, shape: [1, 8, 1])
    func run(step: Int64, length: Int64? = nil, window: Int? = nil) throws -> Tensor {
      try NodeTesting.run(
        "STFT",
        [
          signal, try Tensor(scalar: step),
          try window.map { try Tensor(zeros: .float, shape: [$0]) },
          try length.map { try Tensor(scalar: $0) },
        ], .current)
    }
    for step in [0, -1, .min] as [Int64] {
      expectError(.badData, "positive") { try run(step: step, length: 4) }
    }
    expectError(.badData, "shorter") { try run(step: 1, length: 9) }
    expectError(.badData, "frame length") { try run(step: 1, length: 4, window: 5) }
    expectError(.badData) { try run(step: 1, length: .max) }
    #expect(try run(step: .max, length: 4).shape == [1, 1, 3, 2])
    #expect(try run(step: 3).shape == [1, 1, 5, 2])
  }

  // MARK: - Windows

  @Test func windowsOfOneElement() throws {
    let one = try Tensor(scalar: Int64(1))
    for name in ["HannWindow", "HammingWindow", "BlackmanWindow"] {
      let periodic = try NodeTesting.run(name, [one], .current).elements(as: Float.self)
      #expect(periodic.count == 1 && abs(periodic[0]) < 0.09)
      let symmetric = try NodeTesting.run(
        name, [one], attributes: ["periodic": .int(0)], .current)
      #expect(try symmetric.elements(as: Float.self)[0].isNaN)
      expectError(.badData, "-2") {
        try NodeTesting.run(name, [try Tensor(scalar: Int64(-2))], .current)
      }
      expectError(.badData, "output_datatype") {
        try NodeTesting.run(
          name, [one],
          attributes: ["output_datatype": .int(Int(ElementType.bool.rawValue))], .current)
      }
    }
  }

  @Test func impossibleMelWeightsAreRefused() throws {
    func run(_ bands: Int64, _ length: Int64, _ rate: Int64, _ low: Float, _ high: Float) throws
      -> Tensor
    {
      try NodeTesting.run(
        "MelWeightMatrix",
        [
          try Tensor(scalar: bands), try Tensor(scalar: length), try Tensor(scalar: rate),
          try Tensor(scalar: low), try Tensor(scalar: high),
        ], .current)
    }
    expectError(.badData, "num_mel_bins") { try run(-1, 16, 8000, 0, 4000) }
    expectError(.badData, "dft_length") { try run(4, .min, 8000, 0, 4000) }
    for (rate, low, high) in [
      (0, 0, 4000), (8000, -1, 4000), (8000, 5, 4), (8000, .nan, 4), (8000, 0, .infinity),
    ] as [(Int64, Float, Float)] {
      expectError(.badData, "samples per second") { try run(4, 16, rate, low, high) }
    }
    // Bands above the spectrum have no weights.
    let high = try run(2, 16, 8000, 5000, 90_000).elements(as: Float.self)
    #expect(high.allSatisfy { $0 == 0 })
  }
}
