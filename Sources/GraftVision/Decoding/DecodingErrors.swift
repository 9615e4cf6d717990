import GraftFiles

/// Runs a decoder of a C library and turns its message into an error.
///
/// - Parameter body: gets a buffer for a message, and returns `nil` if it wrote one
func withLibraryMessage<Result>(
  format: String, byteCount: Int32, _ body: (UnsafeMutablePointer<CChar>) -> Result?
) throws -> Result {
  try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(byteCount)) { buffer in
    buffer.initialize(repeating: 0)
    guard let message = buffer.baseAddress, let result = body(message) else {
      let text = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      throw unreadable(format, String(decoding: text, as: UTF8.self))
    }
    return result
  }
}

func unreadable(_ format: String, _ reason: String) -> GraftError {
  .badData("unreadable \(format) image: \(reason)")
}

/// Adds the image's format to errors of `body`.
func reading<Result>(_ format: String, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch var error as GraftError {
    error.message = "unreadable \(format) image: \(error.message)"
    throw error
  }
}
