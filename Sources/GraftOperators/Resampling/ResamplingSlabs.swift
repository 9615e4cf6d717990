import GraftExecution

/// All steps of a resampling, one slab after another, so that intermediate results stay in one
/// processor's cache.
///
/// A slab belongs to one index of the axes before the resampled ones, such as an image's channel.
struct ResamplingSlabs: Sendable {
  /// The bytes that fit in a level-2 cache besides input and output.
  private static let cacheByteCount = 1 << 18
  private static let elementsPerTask = 8192

  private let steps: [ResamplingStep]
  private let slabCount: Int
  private let byteWidth: Int
  /// The elements of the largest intermediate tensor, for one slab.
  private let largestCount: Int

  /// - Returns: `nil` where it is better to process all slabs step by step: with a single step,
  ///   large slabs, or too few slabs for all threads
  init?(_ steps: [ResamplingStep], slabCount: Int, _ byteWidth: Int) {
    guard steps.count > 1, slabCount >= 16 else { return nil }
    largestCount = (steps.dropLast().map(\.resultCount).max() ?? 0) / slabCount
    guard largestCount * byteWidth <= ResamplingSlabs.cacheByteCount else { return nil }
    self.steps = steps
    self.slabCount = slabCount
    self.byteWidth = byteWidth
  }

  /// Per worker: the results of two consecutive steps.
  var scratchByteCount: Int { largestCount * byteWidth * (steps.count > 2 ? 2 : 1) }

  func phase(from source: ResamplingPlace, to target: ResamplingPlace) -> PreparedKernel.Phase {
    let inputByteCount = (steps.first?.inputCount ?? 0) / slabCount * byteWidth
    let outputCount = (steps.last?.resultCount ?? 0) / slabCount
    let grain = max(1, ResamplingSlabs.elementsPerTask / max(1, outputCount))
    return .parallel(count: slabCount, grain: grain) { arguments, slabs in
      guard let from = source.source(arguments), let to = target.target(arguments),
        let scratch = arguments.workerScratch
      else { return }
      for slab in slabs {
        var read = from + slab * inputByteCount
        for (number, step) in steps.enumerated() {
          let write =
            number == steps.count - 1
            ? to + slab * outputCount * byteWidth : scratch + number % 2 * largestCount * byteWidth
          step.run(0..<step.rowCount / slabCount, from: read, to: write)
          read = UnsafeRawPointer(write)
        }
      }
    }
  }
}
