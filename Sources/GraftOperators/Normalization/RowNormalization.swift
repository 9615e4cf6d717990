import GraftExecution

/// Normalizes rows of contiguous elements to mean 0 and variance 1, then scales and shifts them;
/// the common part of layer, instance, group and RMS normalization.
struct RowNormalization: Sendable {
  /// The layout of scales and shifts.
  enum Parameters: Sendable {
    /// One for each element of the row, common to all rows.
    case shared
    /// One for each element of the input.
    case full
    /// One for each of `channels` channels. A row has `perRow` channels with `count` elements.
    case perChannel(channels: Int, perRow: Int, count: Int)
  }

  let rowCount: Int
  let rowLength: Int
  let epsilon: Double
  /// Whether the mean is subtracted.
  let isCentered: Bool

  var grain: Int { max(1, 16384 / max(1, rowLength)) }

  struct Statistics<Element: RealElement> {
    var mean: Element
    var inverseDeviation: Element
  }

  func statistics<Element: RealElement>(
    _ row: UnsafePointer<Element>, _ instructionSet: InstructionSet
  ) -> Statistics<Element> {
    let count = Double(rowLength)
    let mean =
      isCentered ? Element(Element.sum(row, count: rowLength, instructionSet) / count) : 0
    let squares = Element.sumOfSquaredDeviations(
      row, count: rowLength, mean: mean, instructionSet)
    return Statistics(
      mean: mean, inverseDeviation: Element(1 / (squares / count + epsilon).squareRoot()))
  }

  /// Normalizes row `index` from `x` to `y`, which point to the first row, as do `scales` and
  /// `shifts`.
  func normalize<Element: RealElement>(
    _ index: Int, _ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>,
    _ statistics: Statistics<Element>, scales: UnsafePointer<Element>,
    shifts: UnsafePointer<Element>?, _ parameters: Parameters, _ instructionSet: InstructionSet
  ) {
    let start = index * rowLength
    switch parameters {
    case .shared, .full:
      let offset = if case .full = parameters { start } else { 0 }
      Element.normalize(
        x + start, y + start, count: rowLength, mean: statistics.mean,
        scale: statistics.inverseDeviation, scales: scales + offset,
        shifts: shifts.map { $0 + offset }, instructionSet)
    case .perChannel(let channels, let perRow, let count):
      for part in 0..<perRow {
        let channel = (index * perRow + part) % channels
        Element.normalize(
          x + start + part * count, y + start + part * count, count: count,
          mean: statistics.mean, scale: statistics.inverseDeviation * scales[channel],
          shift: shifts?[channel] ?? 0, instructionSet)
      }
    }
  }

  /// A kernel over input 0 with scales in input 1 and shifts, if there are any, in input 2.
  func kernel<Element: RealElement>(
    _ context: PrepareContext, _ parameters: Parameters, _: Element.Type
  ) -> PreparedKernel {
    let instructionSet = context.instructionSet
    let hasShifts = context.hasInput(2)
    return PreparedKernel.parallel(count: rowCount, grain: grain, inPlaceInputs: [0]) {
      arguments, rows in
      let x = arguments.input(0, as: Element.self)
      let scales = arguments.input(1, as: Element.self)
      let shifts = hasShifts ? arguments.input(2, as: Element.self) : nil
      let y = arguments.output(0, as: Element.self)
      for row in rows {
        let statistics = statistics(x + row * rowLength, instructionSet)
        normalize(
          row, x, y, statistics, scales: scales, shifts: shifts, parameters, instructionSet)
      }
    }
  }
}
