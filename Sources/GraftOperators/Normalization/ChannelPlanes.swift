import GraftExecution
import GraftTensor

/// The channel structure of a tensor [N, C, …]. A tensor with one axis has one channel.
struct ChannelPlanes: Sendable {
  let batch: Int
  let channels: Int
  /// The elements of one channel of one batch item.
  let count: Int

  init(_ shape: Shape) {
    batch = shape[0]
    channels = shape.count > 1 ? shape[1] : 1
    count = shape.dropFirst(2).reduce(1, *)
  }

  /// The planes of a task.
  var grain: Int { max(1, 32768 / max(1, count)) }

  /// The start of a channel of an item.
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
