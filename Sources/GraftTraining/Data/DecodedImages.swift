import GraftVision
import Synchronization

/// Decoded, resized and cropped images, kept in memory up to a limit; others are decoded each time.
package final class DecodedImages: Sendable {
  /// 1 GiB: all of CIFAR-10 (154 MB), or 7,000 images of 224x224.
  package static let memoryLimit = 1 << 30

  private struct State {
    var images: [Image?]
    var byteCount = 0
  }

  private let state: Mutex<State>
  private let memoryLimit: Int

  init(count: Int, memoryLimit: Int) {
    state = Mutex(State(images: Array(repeating: nil, count: count)))
    self.memoryLimit = memoryLimit
  }

  /// The image with a number, which is made if it is not in memory. Thread-safe.
  func image(_ number: Int, make: () throws -> Image) throws -> Image {
    if let image = state.withLock({ $0.images[number] }) { return image }
    let image = try make()
    state.withLock { state in
      guard state.images[number] == nil, state.byteCount + image.sampleCount <= memoryLimit else {
        return
      }
      state.byteCount += image.sampleCount
      state.images[number] = image
    }
    return image
  }
}
