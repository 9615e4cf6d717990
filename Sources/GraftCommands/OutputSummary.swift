import GraftExecution
import GraftFiles
import GraftTensor

/// Summarizes the outputs of a model: names, types, shapes and ranges.
enum OutputSummary {
  static func text(_ outputs: some Sequence<(String, RuntimeValue)>) throws -> String {
    let rows = try outputs.map { name, value -> [String] in
      guard case .tensor(let tensor) = value else { return [name, value.kind] }
      return try [name, "\(tensor.elementType)\(tensor.shape)"] + range(tensor)
    }
    return Terminal.table(
      [["output", "type", "min", "mean", "max"]] + rows, rightAligned: [2, 3, 4])
  }

  /// The minimum, mean and maximum, and the number of NaNs; empty for non-numeric types.
  private static func range(_ tensor: Tensor) throws -> [String] {
    let type = tensor.elementType
    guard tensor.elementCount > 0, type != .string, !type.isComplex else { return [] }
    var (least, largest, sum) = (Double.infinity, -Double.infinity, 0.0)
    var nanCount = 0
    let source = tensor.isAligned ? tensor : try tensor.copied()
    let piece = 1 << 16
    let numbers = try Tensor(zeros: .double, shape: [min(piece, source.elementCount)])
    for start in stride(from: 0, to: source.elementCount, by: piece) {
      let count = min(piece, source.elementCount - start)
      try ElementConversion.convert(
        source.baseAddress + start * type.byteWidth, type, to: numbers.baseAddress, .double,
        count: count)
      let values = UnsafeBufferPointer(
        start: numbers.baseAddress.assumingMemoryBound(to: Double.self), count: count)
      for value in values {
        guard !value.isNaN else {
          nanCount += 1
          continue
        }
        least = min(least, value)
        largest = max(largest, value)
        sum += value
      }
    }
    let notes = nanCount > 0 ? ["\(nanCount) NaN"] : []
    guard nanCount < source.elementCount else { return ["", "", ""] + notes }
    let mean = sum / Double(source.elementCount - nanCount)
    return [least, mean, largest].map { String(printf: "%.6g", $0) } + notes
  }
}
