import Synchronization

/// Warnings about damaged images that could be decoded: one for each image, however often it is
/// decoded.
package final class ImageWarnings: Sendable {
  /// The warnings of this process.
  package static let shared = ImageWarnings()

  /// The number of images that are named; one more warning covers the rest.
  private static let namedCount = 10

  private struct State {
    var places: Set<String> = []
    var isFull = false
    var handler: (@Sendable (String) -> Void)?
  }

  private let state = Mutex(State())

  package init() {}

  /// - Parameter handler: receives each warning, from any thread; without one they are dropped
  package func setHandler(_ handler: (@Sendable (String) -> Void)?) {
    state.withLock { $0.handler = handler }
  }

  func report(_ message: String, place: String) {
    let (text, handler) = state.withLock { state in
      guard state.handler != nil, !state.isFull, !state.places.contains(place) else {
        return (nil as String?, state.handler)
      }
      guard state.places.count < ImageWarnings.namedCount else {
        state.isFull = true
        return ("more images are damaged", state.handler)
      }
      state.places.insert(place)
      return ("\(place): \(message)", state.handler)
    }
    if let text { handler?(text) }
  }
}
