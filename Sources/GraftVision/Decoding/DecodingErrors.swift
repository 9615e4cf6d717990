import GraftFiles

/// What a C library says that an image lacks.
///
/// - Parameter body: Gets room for a message, and returns `nil` if it left one there.
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

/// Tells errors that come out of `body` what kind of image it was about.
func reading<Result>(_ format: String, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch var error as GraftError {
    error.message = "unreadable \(format) image: \(error.message)"
    throw error
  }
}
