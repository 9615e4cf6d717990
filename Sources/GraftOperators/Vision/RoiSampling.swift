import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attributes of RoiAlign, and where its samples lie.
struct RoiSampling: Sendable {
  enum Mode: Sendable { case average, maximum }

  let mode: Mode
  private let isHalfPixel: Bool
  let outputHeight: Int
  let outputWidth: Int
  /// The samples of a bin along each axis; 0 for one for each pixel.
  private let ratio: Int
  private let scale: Float

  /// More samples along an axis of a bin say nothing new.
  private static let largestRatio = 1 << 8
  private static let largestExtent = 1 << 24

  init(_ attributes: AttributeReader) throws {
    mode =
      try attributes.choice("mode", default: "avg", of: ["avg", "max"]) == "avg"
      ? .average : .maximum
    isHalfPixel =
      try attributes.choice(
        "coordinate_transformation_mode", default: "half_pixel",
        of: ["half_pixel", "output_half_pixel"]) == "half_pixel"
    outputHeight = try attributes.int("output_height", default: 1)
    outputWidth = try attributes.int("output_width", default: 1)
    ratio = try attributes.int("sampling_ratio", default: 0)
    scale = try attributes.float("spatial_scale", default: 1)
    for (name, extent) in [("output_height", outputHeight), ("output_width", outputWidth)] {
      guard (1...Self.largestExtent).contains(extent) else {
        throw GraftError.badData("attribute '\(name)' is \(extent)")
      }
    }
    guard (0...Self.largestRatio).contains(ratio) else {
      throw GraftError.badData(
        "attribute 'sampling_ratio' is \(ratio); expected 0 to \(Self.largestRatio)")
    }
  }

  /// The output's shape, with X in input `first` and the regions and their images after it.
  func outputShape(_ context: InferenceContext, first: Int) throws -> [Dimension] {
    let (x, rois, images) = (
      try context.shape(first), try context.shape(first + 1), try context.shape(first + 2)
    )
    guard x.count == 4, rois.count == 2, rois[1].isCompatible(with: 4), images.count == 1,
      images[0].isCompatible(with: rois[0])
    else {
      throw GraftError.badData(
        "shapes \(x), \(rois) and \(images); expected [N, C, H, W], [regions, 4] and [regions]")
    }
    return [rois[0], x[1], .known(outputHeight), .known(outputWidth)]
  }

  /// A sample along one axis: between which elements it lies, and their weights.
  struct Sample<Element> {
    var low: Int
    var high: Int
    var lowWeight: Element
    var highWeight: Element
  }

  /// The samples along one axis of a region.
  struct Axis<Element: RealElement> {
    let samples: UnsafeMutablePointer<Sample<Element>>
    /// Where the samples of each bin end.
    let ends: UnsafeMutablePointer<Int>
    /// The samples of a bin, with those outside of the input.
    var samplesPerBin: Int

    func range(_ bin: Int) -> Range<Int> { (bin == 0 ? 0 : ends[bin - 1])..<ends[bin] }
  }

  /// The samples along an axis that can lie in the input, at most.
  private func capacity(bins: Int, extent: Int) -> Int {
    // Without a ratio, samples are more than half of an element apart, or one for each bin.
    ratio > 0 ? bins * ratio : 2 * (extent + 4) + 2 * bins
  }

  /// The memory of both axes.
  func byteCount<Element: RealElement>(_: Element.Type, height: Int, width: Int) -> Int {
    (capacity(bins: outputHeight, extent: height) + capacity(bins: outputWidth, extent: width))
      * MemoryLayout<Sample<Element>>.stride
      + (outputHeight + outputWidth) * MemoryLayout<Int>.stride
  }

  /// Places the samples of a region (x1, y1, x2, y2).
  ///
  /// - Throws: `GraftError` if the region is not finite or much too large
  func place<Element: RealElement>(
    _ region: UnsafePointer<Element>, height: Int, width: Int, _ memory: UnsafeMutableRawPointer
  ) throws -> RoiSamples<Element> {
    let rowSamples = memory.assumingMemoryBound(to: Sample<Element>.self)
    let columnSamples = rowSamples + capacity(bins: outputHeight, extent: height)
    let rowEnds = UnsafeMutableRawPointer(
      columnSamples + capacity(bins: outputWidth, extent: width)
    ).assumingMemoryBound(to: Int.self)
    var rows = Axis(samples: rowSamples, ends: rowEnds, samplesPerBin: 0)
    var columns = Axis(
      samples: columnSamples, ends: rowEnds + outputHeight, samplesPerBin: 0)
    try fill(&rows, from: region[1], to: region[3], bins: outputHeight, extent: height)
    try fill(&columns, from: region[0], to: region[2], bins: outputWidth, extent: width)
    return RoiSamples(rows: rows, columns: columns)
  }

  private func fill<Element: RealElement>(
    _ axis: inout Axis<Element>, from: Element, to: Element, bins: Int, extent: Int
  ) throws {
    let shift: Element = isHalfPixel ? 0.5 : 0
    let start = from * Element(scale) - shift
    var length = to * Element(scale) - shift - start
    if !isHalfPixel { length = max(length, 1) }
    let size = length / Element(bins)
    guard size.magnitude < 0x1p24, start.magnitude < 0x1p40 else {
      throw GraftError.badData("a region from \(from) to \(to)")
    }
    let count = ratio > 0 ? ratio : max(0, Int(size.rounded(.up)))
    axis.samplesPerBin = count
    var end = 0
    for bin in 0..<bins {
      let first = start + Element(bin) * size
      // Only those between -1 and the extent count.
      var (low, high) = (0, count)
      let step = size / Element(max(1, count))
      if count > 64, step != 0 {
        let bounds = [(-1 - first) / step, (Element(extent) - first) / step].map {
          Int(min(max($0, -16), Element(count) + 16))
        }.sorted()
        low = min(max(0, bounds[0] - 8), count)
        high = max(low, min(count, bounds[1] + 8))
      }
      for index in low..<high {
        let place = first + (Element(index) + 0.5) * size / Element(count)
        guard place >= -1, place <= Element(extent) else { continue }
        let inside = max(place, 0)
        let element = Int(inside)
        if element >= extent - 1 {
          axis.samples[end] = Sample(
            low: extent - 1, high: extent - 1, lowWeight: 1, highWeight: 0)
        } else {
          let fraction = inside - Element(element)
          axis.samples[end] = Sample(
            low: element, high: element + 1, lowWeight: 1 - fraction, highWeight: fraction)
        }
        end += 1
      }
      axis.ends[bin] = end
    }
  }
}

/// The samples of a region.
struct RoiSamples<Element: RealElement> {
  let rows: RoiSampling.Axis<Element>
  let columns: RoiSampling.Axis<Element>

  private var samplesPerBin: Int { rows.samplesPerBin * columns.samplesPerBin }

  /// The mean of each bin's samples; those outside of the input are 0.
  ///
  /// - Parameter sums: memory of a row of the input
  func average(
    _ plane: UnsafePointer<Element>, width: Int, _ rowCount: Int, _ columnCount: Int,
    to bins: UnsafeMutablePointer<Element>, sums: UnsafeMutablePointer<Element>
  ) {
    let all = columnExtent(columnCount)
    let scale = 1 / Element(max(1, samplesPerBin))
    for row in 0..<rowCount {
      for place in all { sums[place] = 0 }
      for index in rows.range(row) {
        let sample = rows.samples[index]
        let (low, high) = (plane + sample.low * width, plane + sample.high * width)
        for place in all {
          sums[place] += sample.lowWeight * low[place] + sample.highWeight * high[place]
        }
      }
      for column in 0..<columnCount {
        var sum: Element = 0
        for index in columns.range(column) {
          let sample = columns.samples[index]
          sum += sample.lowWeight * sums[sample.low] + sample.highWeight * sums[sample.high]
        }
        bins[row * columnCount + column] = sum * scale
      }
    }
  }

  /// Adds to a plane what flows back from the means of bins.
  func addAverage(
    _ bins: UnsafePointer<Element>, width: Int, _ rowCount: Int, _ columnCount: Int,
    to plane: UnsafeMutablePointer<Element>, sums: UnsafeMutablePointer<Element>
  ) {
    let all = columnExtent(columnCount)
    let scale = 1 / Element(max(1, samplesPerBin))
    for row in 0..<rowCount {
      for place in all { sums[place] = 0 }
      for column in 0..<columnCount {
        let arriving = bins[row * columnCount + column] * scale
        for index in columns.range(column) {
          let sample = columns.samples[index]
          sums[sample.low] += sample.lowWeight * arriving
          sums[sample.high] += sample.highWeight * arriving
        }
      }
      for index in rows.range(row) {
        let sample = rows.samples[index]
        let (low, high) = (plane + sample.low * width, plane + sample.high * width)
        for place in all {
          low[place] += sample.lowWeight * sums[place]
          high[place] += sample.highWeight * sums[place]
        }
      }
    }
  }

  /// The columns of the input that samples lie in.
  private func columnExtent(_ columnCount: Int) -> Range<Int> {
    var (first, end) = (Int.max, 0)
    for index in 0..<columns.ends[columnCount - 1] {
      first = min(first, columns.samples[index].low)
      end = max(end, columns.samples[index].high + 1)
    }
    return min(first, end)..<end
  }

  /// A weighted element of the input.
  struct Term {
    var value: Element
    var index: Int
    var weight: Element
  }

  /// The largest weighted element of a bin; 0 stands for samples outside of the input.
  ///
  /// - Returns: `nil` if the bin has no samples
  func largest(
    _ plane: UnsafePointer<Element>, width: Int, row: Int, column: Int
  ) -> Term? {
    let (rowRange, columnRange) = (rows.range(row), columns.range(column))
    guard samplesPerBin > 0 else { return nil }
    var best: Term?
    if rowRange.count * columnRange.count < samplesPerBin {
      best = Term(value: 0, index: 0, weight: 0)
    }
    for y in rowRange {
      let vertical = rows.samples[y]
      for x in columnRange {
        let horizontal = columns.samples[x]
        func consider(_ row: Int, _ column: Int, _ weight: Element) {
          let index = row * width + column
          let value = weight * plane[index]
          if let found = best, !(value > found.value) { return }
          best = Term(value: value, index: index, weight: weight)
        }
        consider(vertical.low, horizontal.low, vertical.lowWeight * horizontal.lowWeight)
        consider(vertical.low, horizontal.high, vertical.lowWeight * horizontal.highWeight)
        consider(vertical.high, horizontal.low, vertical.highWeight * horizontal.lowWeight)
        consider(vertical.high, horizontal.high, vertical.highWeight * horizontal.highWeight)
      }
    }
    return best
  }
}

extension KernelArguments {
  /// The image of a region.
  ///
  /// - Throws: `GraftError` if there is no such image
  func image(ofRegion region: Int, input: Int, count: Int) throws -> Int {
    let image = self.input(input, as: Int64.self)[region]
    guard image >= 0, image < count else {
      throw GraftError.badData("region \(region) is of image \(image); there are \(count)")
    }
    return Int(image)
  }
}
