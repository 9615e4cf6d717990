/// What went wrong, where, and what to do about it.
///
/// The only error type that Graft throws. `message` says what; `places` say where, outermost first
/// (file, node, tensor); `hint` says what to do.
package struct GraftError: Error, Sendable, Equatable {
  /// Exit statuses after sysexits.h.
  package enum Code: Int32, Sendable {
    /// Incorrect use of a command.
    case usage = 64
    /// Invalid content of a file.
    case badData = 65
    /// A file is missing or cannot be read.
    case noInput = 66
    /// A service (the network) or a capability is not available.
    case unavailable = 69
    /// Graft itself is at fault.
    case software = 70
    /// The operating system refused a resource (memory, threads).
    case operatingSystem = 71
    /// An output file cannot be created.
    case cannotCreate = 73
    /// Reading or writing failed.
    case inputOutput = 74
    /// Trying again later may help.
    case temporary = 75
  }

  package var code: Code
  package var message: String
  package var places: [String]
  package var hint: String?

  package init(_ code: Code, _ message: String, places: [String] = [], hint: String? = nil) {
    self.code = code
    self.message = message
    self.places = places
    self.hint = hint
  }

  package static func badData(_ message: String, hint: String? = nil) -> GraftError {
    GraftError(.badData, message, hint: hint)
  }

  package static func usage(_ message: String, hint: String? = nil) -> GraftError {
    GraftError(.usage, message, hint: hint)
  }

  /// The model needs something that Graft does not support.
  package static func unsupported(_ message: String, hint: String? = nil) -> GraftError {
    GraftError(.unavailable, message, hint: hint)
  }

  /// The same error with an outer place added: `error.at("node 'conv1'")`. An outermost place is
  /// not repeated.
  package func at(_ place: String) -> GraftError {
    guard places.first != place else { return self }
    var copy = self
    copy.places.insert(place, at: 0)
    return copy
  }
}

extension GraftError: CustomStringConvertible {
  /// On one line: `file: node: what. What to do.`
  package var description: String {
    let text = (places + [message]).joined(separator: ": ")
    guard let hint else { return text }
    return "\(text). \(hint)"
  }
}

/// Runs `body`, and adds `place` as the outer place of a `GraftError`.
package func withPlace<Result>(
  _ place: @autoclosure () -> String, _ body: () throws -> Result
) throws -> Result {
  do {
    return try body()
  } catch let error as GraftError {
    throw error.at(place())
  }
}
