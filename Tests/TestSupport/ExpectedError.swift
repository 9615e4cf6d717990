import GraftFiles
import Testing

/// Expects that a body throws a `GraftError` with a code (or the other), whose description has all
/// of the parts.
///
/// - Returns: the error, for what else a test wants to know of it
@discardableResult
package func expectError<Result>(
  _ code: GraftError.Code, or other: GraftError.Code? = nil, _ parts: String...,
  when comment: String = "",
  fileID: String = #fileID, filePath: String = #filePath, line: Int = #line, column: Int = #column,
  _ body: () throws -> Result
) -> GraftError? {
  let location = SourceLocation(fileID: fileID, filePath: filePath, line: line, column: column)
  let prefix = comment.isEmpty ? "" : "\(comment): "
  do {
    _ = try body()
    Issue.record("\(prefix)nothing was thrown", sourceLocation: location)
    return nil
  } catch let error as GraftError {
    if error.code != code && error.code != other {
      Issue.record("\(prefix)the code is \(error.code): \(error)", sourceLocation: location)
    }
    for part in parts where !error.description.contains(part) {
      Issue.record("\(prefix)'\(part)' is missing in '\(error)'", sourceLocation: location)
    }
    return error
  } catch {
    Issue.record("\(prefix)not a GraftError: \(error)", sourceLocation: location)
    return nil
  }
}
