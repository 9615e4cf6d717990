import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// RoiAlign, MaxRoiPool, MaxUnpool and DeformConv: more shapes than their examples have, and
/// numbers that no model should contain.
@Suite struct RegionTests {
  // MARK: - RoiAlign

  /// The mean or largest of a bin's samples, one after the other.
  private func aligned(
    _ x: [Float], _ shape: Shape, _ region: [Float], image: Int, _ height: Int, _ width: Int,
    ratio: Int, isHalfPixel: Bool
  ) -> [Double] {
    let shift = isHalfPixel ? 0.5 : 0.0
    let corners = region.map { Double($0) - shift }
    var (w, h) = (corners[2] - corners[0], corners[3] - corners[1])
    if !isHalfPixel { (w, h) = (max(w, 1), max(h, 1)) }
    let (binWidth, binHeight) = (w / Double(width), h / Double(height))
    let columns = ratio > 0 ? ratio : Int(binWidth.rounded(.up))
    let rows = ratio > 0 ? ratio : Int(binHeight.rounded(.up))
    var results: [Double] = []
    for channel in 0..<shape[1] {
      func element(_ y: Int, _ x0: Int) -> Double {
        Double(x[((image * shape[1] + channel) * shape[2] + y) * shape[3] + x0])
      }
      for row in 0..<height {
        for column in 0..<width {
          var sum = 0.0
          for i in 0..<max(0, rows) {
            for j in 0..<max(0, columns) {
              var y = corners[1] + (Double(row) + (Double(i) + 0.5) / Double(rows)) * binHeight
              var x = corners[0] + (Double(column) + (Double(j) + 0.5) / Double(columns)) * binWidth
              guard y >= -1, y <= Double(shape[2]), x >= -1, x <= Double(shape[3]) else { continue }
              y = min(max(y, 0), Double(shape[2] - 1))
              x = min(max(x, 0), Double(shape[3] - 1))
              let (top, left) = (Int(y), Int(x))
              let (bottom, right) = (min(top + 1, shape[2] - 1), min(left + 1, shape[3] - 1))
              let (fy, fx) = (y - Double(top), x - Double(left))
              sum += (1 - fy) * ((1 - fx) * element(top, left) + fx * element(top, right))
              sum += fy * ((1 - fx) * element(bottom, left) + fx * element(bottom, right))
            }
          }
          results.append(sum / Double(max(1, rows * columns)))
        }
      }
    }
    return results
  }

  @Test(arguments: [0, 1, 3, 100], [true, false])
  func meansOfRegions(_ ratio: Int, _ isHalfPixel: Bool) throws {
    let shape = [2, 3, 9, 13]
    let x = try NodeTesting.numbers(shape, seed: 2)
    let regions: [[Float]] = [
      [0.3, 0.2, 12.1, 8.3], [-3.3, 2.1, 5.6, 30.7], [4.1, 4.2, 4.3, 4.9], [20, 20, 30, 30],
      [-300.5, -200.25, 300.5, 200.75], [7.2, 5.1, 3.3, 2.6],
    ]
    let images: [Int64] = [0, 1, 1, 0, 1, 0]
    let result = try NodeTesting.run(
      "RoiAlign",
      [
        x, try Tensor(regions.flatMap { $0 }, shape: [6, 4]), try Tensor(images, shape: [6]),
      ],
      attributes: [
        "output_height": .int(3), "output_width": .int(4), "sampling_ratio": .int(ratio),
        "coordinate_transformation_mode": .string(isHalfPixel ? "half_pixel" : "output_half_pixel"),
      ], .current
    ).doubles()
    let elements = try x.elements(as: Float.self)
    let expected = zip(regions, images).flatMap { region, image in
      aligned(
        elements, shape, region, image: Int(image), 3, 4, ratio: ratio, isHalfPixel: isHalfPixel)
    }
    #expect(result.count == expected.count)
    for (a, b) in zip(result, expected) { #expect(abs(a - b) < 2e-5) }
  }

  @Test func hostileRegionsAreRefusedOrEmpty() throws {
    let x = try Tensor([Float](repeating: 1, count: 16), shape: [1, 1, 4, 4])
    func run(_ region: [Float], image: Int64 = 0, ratio: Int = 0, mode: String = "avg") throws
      -> [Float]
    {
      try NodeTesting.run(
        "RoiAlign", [x, try Tensor(region, shape: [1, 4]), try Tensor([image], shape: [1])],
        attributes: [
          "output_height": .int(2), "sampling_ratio": .int(ratio), "mode": .string(mode),
        ], .current
      ).elements()
    }
    for number in [Float.nan, .infinity, -.infinity, 1e30] {
      for place in 0..<4 {
        var region: [Float] = [0, 0, 2, 2]
        region[place] = number
        expectError(.badData, "region") { try run(region) }
        expectError(.badData, "region") { try run(region, ratio: 3) }
      }
    }
    for image in [-1, 1, .min, .max] as [Int64] {
      expectError(.badData, "image \(image)") { try run([0, 0, 1, 1], image: image) }
    }
    for ratio in [-1, 257, .max] {
      expectError(.badData, "sampling_ratio") { try run([0, 0, 1, 1], ratio: ratio) }
    }
    // Far more samples than elements, of which few are in the input.
    let huge = try run([-8e6, -8e6, 8e6, 8e6])
    #expect(huge.allSatisfy { $0 >= 0 && $0 < 1e-6 })
    #expect(try run([3, 3, 1, 1]) == [0, 0])
    #expect(try run([3, 3, 1, 1], mode: "max") == [0, 0])
  }

  @Test func olderFormsDoNotShift() throws {
    var node = Node(
      operatorType: "RoiAlign", inputs: [ValueID(0), ValueID(1), ValueID(2)],
      outputs: [ValueID(3)])
    try NodeTesting.upgrade(&node, opset: 10)
    #expect(
      try AttributeReader(node.attributes).string("coordinate_transformation_mode")
        == "output_half_pixel")
    var newer = Node(
      operatorType: "RoiAlign", inputs: [ValueID(0), ValueID(1), ValueID(2)],
      outputs: [ValueID(3)])
    try NodeTesting.upgrade(&newer, opset: 16)
    #expect(newer.attributes.isEmpty)
  }

  // MARK: - MaxRoiPool

  @Test func hostileRegionsOfMaxRoiPool() throws {
    let x = try Tensor((0..<16).map(Float.init), shape: [1, 1, 4, 4])
    func run(_ region: [Float], _ shape: [Int] = [1, 1]) throws -> [Float] {
      try NodeTesting.run(
        "MaxRoiPool", [x, try Tensor(region, shape: [1, 5])],
        attributes: ["pooled_shape": .ints(shape)], .current
      ).elements()
    }
    for image in [-1, 1, .nan, .infinity] as [Float] {
      expectError(.badData, "image") { try run([image, 0, 0, 1, 1]) }
    }
    for number in [Float.nan, .infinity, 1e30] {
      expectError(.badData, "coordinate") { try run([0, 0, number, 1, 1]) }
    }
    #expect(try run([0, -1e9, -1e9, 1e9, 1e9]) == [15])
    #expect(try run([0, 2, 2, 0, 0]) == [10])
    for shape in [[0, 1], [1], [1, -1], [1, .max]] {
      expectError(.badData, "pooled_shape") { try run([0, 0, 0, 1, 1], shape) }
    }
  }

  // MARK: - MaxUnpool

  @Test func indicesOutOfRangeAreRefused() throws {
    let x = try Tensor([1, 2] as [Float], shape: [1, 1, 2])
    func run(_ indices: [Int64], shape: [Int64]? = nil, _ attributes: [ByteString: Attribute] = [:])
      throws -> [Float]
    {
      var all: [ByteString: Attribute] = ["kernel_shape": .ints([2]), "strides": .ints([2])]
      all.merge(attributes) { $1 }
      return try NodeTesting.run(
        "MaxUnpool",
        [
          x, try Tensor(indices, shape: [1, 1, 2]),
          try shape.map { try Tensor($0, shape: [$0.count]) },
        ], attributes: all, .current
      ).elements()
    }
    #expect(try run([3, 0]) == [2, 0, 0, 1])
    for index in [-1, 4, .min, .max] as [Int64] {
      expectError(.badData, "index \(index)") { try run([0, index]) }
    }
    expectError(.badData, "output_shape") { try run([0, 1], shape: [1, 1, 3]) }
    expectError(.badData, "output_shape") { try run([0, 1], shape: [2, 1, 4]) }
    expectError(.badData) { try run([0, 1], shape: [1, 1, -4]) }
    expectError(.badData) { try run([0, 1], ["strides": .ints([.max])]) }
    expectError(.badData) { try run([0, 1], ["pads": .ints([9, 9])]) }
  }

  // MARK: - DeformConv

  /// Sums of interpolated elements, one after the other.
  private func deformed(
    _ x: Tensor, _ weights: Tensor, _ offsets: Tensor, _ bias: Tensor, _ mask: Tensor,
    groups: Int, offsetGroups: Int, stride: Int, pad: Int, output: Shape
  ) throws -> [Double] {
    let (xs, ws) = (try x.doubles(), try weights.doubles())
    let (offs, bs, ms) = (try offsets.doubles(), try bias.doubles(), try mask.doubles())
    let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
    let (own, kh, kw) = (weights.shape[1], weights.shape[2], weights.shape[3])
    func element(_ n: Int, _ c: Int, _ y: Int, _ x0: Int) -> Double {
      guard y >= 0, y < height, x0 >= 0, x0 < width else { return 0 }
      return xs[((n * channels + c) * height + y) * width + x0]
    }
    var results: [Double] = []
    for n in 0..<output[0] {
      for m in 0..<output[1] {
        for i in 0..<output[2] {
          for j in 0..<output[3] {
            var sum = bs[m]
            for local in 0..<own {
              let c = m / (output[1] / groups) * own + local
              let group = c / (channels / offsetGroups)
              for ky in 0..<kh {
                for kx in 0..<kw {
                  let tap = ky * kw + kx
                  func at(_ plane: Int, _ numbers: [Double], _ planes: Int) -> Double {
                    numbers[((n * planes + plane) * output[2] + i) * output[3] + j]
                  }
                  let place = group * kh * kw + tap
                  let y = Double(i * stride - pad + ky) + at(2 * place, offs, offsets.shape[1])
                  let x0 = Double(j * stride - pad + kx) + at(2 * place + 1, offs, offsets.shape[1])
                  let (top, left) = (Int(y.rounded(.down)), Int(x0.rounded(.down)))
                  let (fy, fx) = (y - Double(top), x0 - Double(left))
                  let upper =
                    (1 - fx) * element(n, c, top, left) + fx * element(n, c, top, left + 1)
                  let lower =
                    (1 - fx) * element(n, c, top + 1, left) + fx * element(n, c, top + 1, left + 1)
                  sum +=
                    ((1 - fy) * upper + fy * lower) * at(place, ms, mask.shape[1])
                    * ws[(m * own + local) * kh * kw + tap]
                }
              }
            }
            results.append(sum)
          }
        }
      }
    }
    return results
  }

  @Test(arguments: [(1, 1, 1, 1), (2, 4, 2, 1), (4, 2, 1, 2)])
  func samplesAreWeighted(_ groups: Int, _ offsetGroups: Int, _ stride: Int, _ pad: Int) throws {
    let x = try NodeTesting.numbers([2, 8, 21, 19], seed: 1)
    let weights = try NodeTesting.numbers([12, 8 / groups, 3, 2], seed: 2)
    let output = [
      2, 12, (21 + 2 * pad - 3) / stride + 1, (19 + 2 * pad - 2) / stride + 1,
    ]
    let offsets = try Tensor(
      NodeTesting.numbers([2, offsetGroups * 12] + output[2...], seed: 3).elements(as: Float.self)
        .map { $0 * 3 }, shape: [2, offsetGroups * 12] + output[2...])
    let mask = try NodeTesting.numbers([2, offsetGroups * 6] + output[2...], seed: 4)
    let bias = try NodeTesting.numbers([12], seed: 5)
    let expected = try deformed(
      x, weights, offsets, bias, mask, groups: groups, offsetGroups: offsetGroups, stride: stride,
      pad: pad, output: output)
    for set in NodeTesting.instructionSets {
      let results = try [1, 3].map {
        try NodeTesting.run(
          "DeformConv", [x, weights, offsets, bias, mask],
          attributes: [
            "group": .int(groups), "offset_group": .int(offsetGroups),
            "strides": .ints([stride, stride]), "pads": .ints([pad, pad, pad, pad]),
          ], set, threads: $0)
      }
      #expect(results[0].shape == output)
      #expect(try results[0].elements(as: Float.self) == results[1].elements())
      for (a, b) in zip(try results[0].doubles(), expected) { #expect(abs(a - b) < 1e-5, "\(set)") }
    }
  }

  @Test func hostileOffsetsReadNothing() throws {
    var elements = [Float](repeating: .nan, count: 9)
    elements[4] = 2
    let x = try Tensor(elements, shape: [1, 1, 3, 3])
    let weights = try Tensor([1] as [Float], shape: [1, 1, 1, 1])
    // All positions read outside, but the one that reads the middle.
    var offsets = [Float](repeating: 0, count: 18)
    for (index, number) in [1e30, -1e30, .nan, .infinity, 0, -.infinity, 3, -3, 1e9].enumerated() {
      offsets[index] = Float(number)
    }
    let result = try NodeTesting.run(
      "DeformConv", [x, weights, try Tensor(offsets, shape: [1, 2, 3, 3])], .current)
    #expect(try result.elements(as: Float.self) == [0, 0, 0, 0, 2, 0, 0, 0, 0])
  }

  @Test func shapesOfDeformConvMustFit() throws {
    func run(_ shapes: [Shape], _ attributes: [ByteString: Attribute] = [:]) throws -> Tensor {
      try NodeTesting.run(
        "DeformConv", try shapes.map { try Tensor(zeros: .float, shape: $0) },
        attributes: attributes, .current)
    }
    let good: [Shape] = [[1, 2, 4, 4], [2, 2, 3, 3], [1, 18, 2, 2]]
    #expect(try run(good).shape == [1, 2, 2, 2])
    expectError(.badData, "input 2") { try run([good[0], good[1], [1, 17, 2, 2]]) }
    expectError(.badData, "input 2") { try run([good[0], good[1], [1, 18, 2, 3]]) }
    expectError(.badData, "groups") { try run(good, ["group": .int(3)]) }
    expectError(.badData, "groups of offsets") { try run(good, ["offset_group": .int(3)]) }
    expectError(.badData, "offset_group") { try run(good, ["offset_group": .int(0)]) }
    expectError(.badData, "input 1") { try run(good, ["kernel_shape": .ints([2, 3])]) }
    expectError(.badData, "pads") { try run(good, ["pads": .ints([-1, 0, 0, 0])]) }
    expectError(.badData, "input 3") { try run(good + [[3]]) }
  }
}
