import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The distinct elements, or slices along `axis`, sorted or in order of appearance, with the index
/// of the first occurrence, the inverse mapping, and the counts. NaN equals NaN and comes last.
/// Specification: <https://onnx.ai/onnx/operators/onnx__Unique.html>
struct Unique: Operator {
  static let schema = OperatorSchema(
    "Unique", since: [11, 28], sameSince: 11, inputs: 1...1, outputs: 1...4)

  let axis: Int?
  let isSorted: Bool

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis")
    isSorted = try attributes.flag("sorted", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    try context.require(0, .realNumbers.union([.bool, .string]))
    context.setOutput(0, elementType, axis == nil ? [.unknown] : nil)
    for index in 1..<4 { context.setOutput(index, .int64, [.unknown]) }
    let shape = try context.shape(0)
    guard let axis else {
      context.setOutput(2, .int64, [try shape.product()])
      return
    }
    let normalized = try normalizedAxis(axis, rank: shape.count)
    var result = shape
    result[normalized] = .unknown
    context.setOutput(0, elementType, result)
    context.setOutput(2, .int64, [shape[normalized]])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let wanted = context.outputs.count
    return .dynamic { inputs in
      guard var input = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      if axis == nil { input = try input.reshaped([input.elementCount]) }
      let axis = try normalizedAxis(axis ?? 0, rank: input.rank)
      let groups = try groups(of: input, axis: axis)
      var inverse = Array(repeating: Int64(0), count: input.shape[axis])
      for (number, group) in groups.enumerated() {
        for slice in group { inverse[slice] = Int64(number) }
      }
      let firsts = groups.map { $0[0] }
      let outputs = [
        try input.selecting(firsts, axis: axis),
        try Tensor(firsts.map(Int64.init), shape: [groups.count]),
        try Tensor(inverse, shape: [inverse.count]),
        try Tensor(groups.map { Int64($0.count) }, shape: [groups.count]),
      ]
      return outputs.prefix(wanted).map { .tensor($0) }
    }
  }

  /// Groups of equal slices, in the order of the output; each group's first slice comes first.
  private func groups(of input: Tensor, axis: Int) throws -> [[Int]] {
    let keys = try input.sortingKeys()
    let extent = input.shape[axis]
    let inner = input.shape[(axis + 1)...].reduce(1, *)
    let outer = input.shape[..<axis].reduce(1, *)
    func order(_ first: Int, _ second: Int) -> Int64 {
      for position in 0..<outer * inner {
        let start = position / inner * extent * inner + position % inner
        let (a, b) = (keys[start + first * inner], keys[start + second * inner])
        if a != b { return a < b ? -1 : 1 }
      }
      return 0
    }
    let slices = (0..<extent).sorted { first, second in
      let difference = order(first, second)
      return difference == 0 ? first < second : difference < 0
    }
    var groups: [[Int]] = []
    for slice in slices {
      if let last = groups.last, order(last[0], slice) == 0 {
        groups[groups.count - 1].append(slice)
      } else {
        groups.append([slice])
      }
    }
    return isSorted ? groups : groups.sorted { $0[0] < $1[0] }
  }

  static var examples: [OperatorExample] {
    let numbers = Tensor.floats([2, 1, 1, 3, 4, 3], [6])
    return [
      OperatorExample(
        "sorted", inputs: [numbers],
        outputs: [
          .floats([1, 2, 3, 4], [4]), .integers([1, 0, 3, 4], [4]),
          .integers([1, 0, 0, 2, 3, 2], [6]), .integers([2, 1, 2, 1], [4]),
        ]),
      OperatorExample(
        "as they come", attributes: ["sorted": .int(0)], inputs: [numbers],
        outputs: [
          .floats([2, 1, 3, 4], [4]), .integers([0, 1, 3, 4], [4]),
          .integers([0, 1, 1, 2, 3, 2], [6]), .integers([1, 2, 2, 1], [4]),
        ]),
      OperatorExample(
        "strings by their bytes, equivalent or not",
        inputs: [.strings(["e\u{301}", "\u{e9}", "e\u{301}"], [3])],
        outputs: [
          .strings(["e\u{301}", "\u{e9}"], [2]), .integers([0, 1], [2]),
          .integers([0, 1, 0], [3]), .integers([2, 1], [2]),
        ]),
      OperatorExample(
        "columns", attributes: ["axis": .int(-1)],
        inputs: [.integers([1, 0, 1, 2, 0, 2], [2, 3])],
        outputs: [.integers([0, 1, 0, 2], [2, 2]), .integers([1, 0], [2])]),
    ]
  }
}

extension Tensor {
  /// For each element an integer with the same sort order.
  fileprivate func sortingKeys() throws -> [Int64] {
    if elementType == .string {
      // Bytes order strings by code points; String's own order uses canonical equivalence.
      let codes = strings.map { Array($0.utf8) }
      let sorted = Set(codes).sorted { $0.lexicographicallyPrecedes($1) }
      let ranks = Dictionary(
        uniqueKeysWithValues: sorted.enumerated().map { ($0.element, Int64($0.offset)) })
      return codes.map { ranks[$0] ?? 0 }
    }
    let isReal = elementType.isFloatingPoint
    let wide = try Tensor(zeros: isReal ? .double : .int64, shape: shape)
    try ElementConversion.convert(
      baseAddress, elementType, to: wide.baseAddress, wide.elementType, count: elementCount)
    guard isReal else {
      let integers: [Int64] = try wide.elements()
      return elementType == .uint64 ? integers.map { $0 ^ .min } : integers
    }
    return try wide.elements(as: Double.self).map { real in
      // One zero, one NaN; negative numbers count backwards.
      let bits = Int64(bitPattern: (real.isNaN ? .nan : real + 0).bitPattern)
      return bits < 0 ? bits ^ .max : bits
    }
  }
}
