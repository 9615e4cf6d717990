import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor
import Testing

/// Resizing in all instruction sets, over extents around those of vectors, against a direct sum
/// over two axes in double precision.
@Suite struct ResamplingTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let input: Shape
    let height: Int
    let width: Int
    /// Whether the channels come last.
    var isChannelsLast = false

    var testDescription: String { "\(input) to \(height) x \(width)" }
  }

  static let cases = [
    Case(input: [1, 1, 1, 1], height: 3, width: 5), Case(input: [1, 2, 3, 4], height: 6, width: 8),
    Case(input: [2, 3, 7, 5], height: 7, width: 17),
    Case(input: [1, 2, 9, 33], height: 4, width: 9),
    Case(input: [1, 17, 16, 16], height: 32, width: 32),
    Case(input: [1, 20, 5, 31], height: 8, width: 70),
    Case(input: [1, 1, 40, 100], height: 13, width: 21),
    Case(input: [1, 1, 6, 640], height: 9, width: 37),
    Case(input: [1, 7, 6, 3], height: 15, width: 13, isChannelsLast: true),
    Case(input: [1, 6, 8, 40], height: 5, width: 19, isChannelsLast: true),
  ]

  @Test(arguments: cases, ["linear", "cubic"])
  func interpolates(_ testCase: Case, _ mode: String) throws {
    let input = try NodeTesting.numbers(testCase.input, seed: 5)
    let expected = try interpolated(input, testCase, isCubic: mode == "cubic")
    let scale = expected.reduce(0) { max($0, abs($1)) }
    for set in NodeTesting.instructionSets {
      let results = try [1, 3].map {
        try resize(input, testCase, ["mode": .string(mode)], set, threads: $0)
      }
      #expect(results[0] == results[1], "threads change bits, \(set)")
      for (result, expected) in zip(results[0], expected) {
        #expect(abs(Double(result) - expected) <= 1e-6 * scale, "\(set)")
      }
    }
  }

  /// Values of the reference evaluator of onnx 1.23.2.
  @Test(arguments: [
    (ElementType.uint8, [0, 0, 100, 100, 0, 0], [0, 0, 0, 23, 77, 114, 114, 77, 23, 0, 0, 0]),
    (.uint16, [0, 0, 100, 100, 0, 0], [0, 0, 0, 23, 77, 114, 114, 77, 23, 0, 0, 0]),
    (.uint32, [0, 0, 100, 100, 0, 0], [0, 0, 0, 23, 77, 114, 114, 77, 23, 0, 0, 0]),
    (.uint64, [0, 0, 100, 100, 0, 0], [0, 0, 0, 23, 77, 114, 114, 77, 23, 0, 0, 0]),
    (.int32, [0, 0, 100, 100, 0, 0], [0, -4, -11, 23, 77, 114, 114, 77, 23, -11, -4, 0]),
    (
      .int8, [-128, -128, 127, 127, -128, -128],
      [-128, -128, -128, -70, 69, 127, 127, 69, -70, -128, -128, -128]
    ),
  ])
  func integersSaturate(_ type: ElementType, _ values: [Float], _ expected: [Float]) throws {
    let input = try Tensor(values, shape: [1, 1, 1, 6]).converted(to: type)
    let output = try NodeTesting.run(
      "Resize", [input, nil, nil, Tensor([Int64(1), 1, 1, 12], shape: [4])],
      attributes: ["mode": .string("cubic")], .current)
    #expect(output.elementType == type)
    #expect(try output.converted(to: .float).elements(as: Float.self) == expected)
  }

  /// Values of the reference evaluator of onnx 1.23.2.
  @Test(arguments: ["linear", "nearest"], [(-5, 0), (300, 255)] as [(Float, Float)])
  func theExtrapolationValueSaturates(_ mode: String, _ values: (Float, Float)) throws {
    let input = try Tensor([1, 2] as [Float], shape: [2]).converted(to: .uint8)
    let output = try NodeTesting.run(
      "Resize",
      [input, Tensor([2, 3] as [Float], shape: [2]), nil, Tensor([Int64(2)], shape: [1])],
      attributes: [
        "mode": .string(mode), "extrapolation_value": .float(values.0),
        "coordinate_transformation_mode": .string("tf_crop_and_resize"),
      ], .current)
    #expect(
      try output.converted(to: .float).elements(as: Float.self) == [values.1, values.1])
  }

  /// No other runtime computes these: truncated as by the reference evaluator, but not wrapped.
  @Test func samplesOfIntegersSaturate() throws {
    let input = try Tensor([0, 0, 100, 100, 0, 0] as [Float], shape: [1, 1, 1, 6])
    let grid = try Tensor([-0.6, 0, 0, 0, 0.77, 0] as [Float], shape: [1, 1, 3, 2])
    func sample(_ type: ElementType) throws -> [Float] {
      try NodeTesting.run(
        "GridSample", [input.converted(to: type), grid], attributes: ["mode": .string("cubic")],
        .current
      ).converted(to: .float).elements(as: Float.self)
    }
    let exact = try sample(.float)
    #expect(exact[0] < -1 && exact[1] > 1 && exact[2] < -1)
    #expect(try sample(.int16) == exact.map { $0.rounded(.towardZero) })
    #expect(try sample(.uint8) == exact.map { max(0, $0.rounded(.towardZero)) })
  }

  @Test(arguments: cases)
  func picksTheNearest(_ testCase: Case) throws {
    let input = try NodeTesting.numbers(testCase.input, seed: 6)
    let attributes: [ByteString: Attribute] = [
      "mode": .string("nearest"), "nearest_mode": .string("floor"),
      "coordinate_transformation_mode": .string("asymmetric"),
    ]
    let source = try input.elements(as: Float.self)
    let (h, w) = spatialAxes(testCase)
    let strides = testCase.input.denseStrides
    let shape = outputShape(testCase)
    let outputStrides = shape.denseStrides
    for set in NodeTesting.instructionSets {
      let result = try resize(input, testCase, attributes, set, threads: 2)
      for index in 0..<shape.elementCount {
        var place = 0
        for axis in 0..<4 {
          var position = index / outputStrides[axis] % shape[axis]
          if axis == h || axis == w { position = position * testCase.input[axis] / shape[axis] }
          place += position * strides[axis]
        }
        #expect(result[index] == source[place], "\(set)")
      }
    }
  }

  /// Where an axis keeps an element alone, an infinite neighbour or one of weight 0 does not count.
  @Test func infinitiesStayWhereTheyAre() throws {
    var elements = [Float](repeating: 1, count: 40)
    elements[20] = .infinity
    let input = try Tensor(elements, shape: [1, 1, 1, 40])
    let testCase = Case(input: [1, 1, 1, 40], height: 1, width: 79)
    let attributes: [ByteString: Attribute] = [
      "mode": .string("linear"), "coordinate_transformation_mode": .string("align_corners"),
    ]
    for set in NodeTesting.instructionSets {
      let result = try resize(input, testCase, attributes, set, threads: 1)
      for index in 0..<79 {
        let isReached = (39...41).contains(index)
        #expect(result[index] == (isReached ? .infinity : 1), "\(index), \(set)")
      }
    }
  }

  private func spatialAxes(_ testCase: Case) -> (height: Int, width: Int) {
    testCase.isChannelsLast ? (1, 2) : (2, 3)
  }

  private func outputShape(_ testCase: Case) -> Shape {
    var shape = testCase.input
    let (h, w) = spatialAxes(testCase)
    shape[h] = testCase.height
    shape[w] = testCase.width
    return shape
  }

  private func resize(
    _ input: Tensor, _ testCase: Case, _ attributes: [ByteString: Attribute],
    _ instructionSet: InstructionSet, threads: Int
  ) throws -> [Float] {
    let sizes = try Tensor(outputShape(testCase).map(Int64.init), shape: [4])
    return try NodeTesting.run(
      "Resize", [input, nil, nil, sizes], attributes: attributes, instructionSet, threads: threads
    ).elements(as: Float.self)
  }

  private func interpolated(
    _ input: Tensor, _ testCase: Case, isCubic: Bool
  ) throws -> [Double] {
    let source = try input.elements(as: Float.self).map(Double.init)
    let shape = outputShape(testCase)
    let (h, w) = spatialAxes(testCase)
    let rows = (0..<shape[h]).map { taps($0, testCase.input[h], shape[h], isCubic) }
    let columns = (0..<shape[w]).map { taps($0, testCase.input[w], shape[w], isCubic) }
    let strides = testCase.input.denseStrides
    let outputStrides = shape.denseStrides
    return (0..<shape.elementCount).map { index in
      let position = (0..<4).map { index / outputStrides[$0] % shape[$0] }
      var sum = 0.0
      for row in rows[position[h]] {
        for column in columns[position[w]] {
          var place = position
          place[h] = row.index
          place[w] = column.index
          sum +=
            row.weight * column.weight * source[zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 }]
        }
      }
      return sum
    }
  }

  /// Half-pixel coordinates; positions outside are clamped to the edge.
  private func taps(
    _ index: Int, _ input: Int, _ output: Int, _ isCubic: Bool
  ) -> [(index: Int, weight: Double)] {
    let coordinate = (Double(index) + 0.5) * Double(input) / Double(output) - 0.5
    let base = Int(coordinate.rounded(.down))
    let a = -0.75
    return ((base - 1)...(base + 2)).map { place in
      let x = abs(coordinate - Double(place))
      let weight: Double
      if !isCubic {
        weight = max(0, 1 - x)
      } else if x <= 1 {
        weight = ((a + 2) * x - (a + 3)) * x * x + 1
      } else {
        weight = x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
      }
      return (min(max(place, 0), input - 1), weight)
    }
  }
}
