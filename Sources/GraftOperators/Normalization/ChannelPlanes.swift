import GraftExecution
import GraftTensor

/// How the elements of a tensor [N, C, …] lie by channels. A tensor of one axis has one channel.
struct ChannelPlanes: Sendable {
  let batch: Int
  let channels: Int
  /// Elements of one channel of one item of the batch.
  let count: Int

  init(_ shape: Shape) {
    batch = shape[0]
    channels = shape.count > 1 ? shape[1] : 1
    count = shape.dropFirst(2).reduce(1, *)
  }

  /// Planes of a task.
  var grain: Int { max(1, 32768 / max(1, count)) }

  /// Where a channel of an item begins.
  func start(_ item: Int, _ channel: Int) -> Int { (item * channels + channel) * count }

  /// Mean and population variance of a channel.
  func moments<Element: RealElement>(
    of x: UnsafePointer<Element>, channel: Int, _ instructionSet: InstructionSet
  ) -> (mean: Double, variance: Double) {
    let total = Double(batch * count)
    var sum = 0.0
    for item in 0..<batch {
      sum += Element.sum(x + start(item, channel), count: count, instructionSet)
    }
    let mean = sum / total
    var squares = 0.0
    for item in 0..<batch {
      squares += Element.sumOfSquaredDeviations(
        x + start(item, channel), count: count, mean: Element(mean), instructionSet)
    }
    return (mean, squares / total)
  }
}
