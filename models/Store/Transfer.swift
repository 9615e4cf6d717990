import GraftFiles

/// The response to one request: checks it and writes its bytes.
final class Transfer {
  private let file: PartialFile
  private let size: Int?
  private let progress: (DownloadProgress) -> Void
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private var lastReport: ContinuousClock.Instant?
  /// The headers of the last response, with lower-case names.
  private var headers: [String: String] = [:]
  private var hasBegun = false
  private var receivedHere = 0
  private var total: Int?
  /// Why the client stopped the transfer.
  private(set) var failure: GraftError?
  /// The server sent another part of the file than requested.
  private(set) var mustStartOver = false

  init(file: PartialFile, size: Int?, progress: @escaping (DownloadProgress) -> Void) {
    self.file = file
    self.size = size
    self.progress = progress
    self.start = clock.now
  }

  static func at(_ context: UnsafeMutableRawPointer) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
  }

  func receive(header line: String) {
    if line.hasPrefix("HTTP/") {
      headers = [:]
      return
    }
    guard let colon = line.firstIndex(of: ":") else { return }
    let value = line[line.index(after: colon)...].drop { $0.isWhitespace }
    let end = value.lastIndex { !$0.isWhitespace }
    headers[line[..<colon].lowercased()] = end.map { String(value[...$0]) } ?? ""
  }

  /// Handles a piece of the body; false stops the transfer.
  func receive(_ bytes: UnsafeRawBufferPointer, status: Int) -> Bool {
    // An error's page is ignored, but reading it keeps the status.
    guard status == 200 || status == 206 else { return true }
    do {
      try begin(status: status)
      guard !mustStartOver else { return false }
      if let size, bytes.count > size - file.byteCount {
        throw GraftError.badData("the server sends more than the expected \(size) bytes")
      }
      try file.append(bytes)
      receivedHere += bytes.count
      report(isLast: false)
      return true
    } catch let error as GraftError {
      failure = error
    } catch {
      failure = GraftError(.software, "\(error)")
    }
    return false
  }

  /// Call it when the transfer is over and was not stopped.
  func finish(status: Int) throws {
    try begin(status: status)
    report(isLast: true)
  }

  private func begin(status: Int) throws {
    guard !hasBegun else { return }
    hasBegun = true
    if status == 206 {
      guard let range = ContentRange(headers["content-range"] ?? ""), range.start == file.byteCount
      else {
        mustStartOver = true
        return
      }
      total = range.total
    } else {
      try file.clear()
      total = headers["content-length"].flatMap { Int($0) }
    }
    if let size, let total, total != size {
      throw GraftError.badData(
        "the server offers \(total) bytes instead of \(size)",
        hint: "The file on the server has changed")
    }
    file.keep(validator: headers["etag"] ?? headers["last-modified"])
  }

  private func report(isLast: Bool) {
    let now = clock.now
    if let lastReport, !isLast, now - lastReport < .milliseconds(100) { return }
    lastReport = now
    let seconds = (now - start) / .seconds(1)
    progress(
      DownloadProgress(
        receivedByteCount: file.byteCount, totalByteCount: size ?? total,
        bytesPerSecond: seconds > 0 ? Double(receivedHere) / seconds : 0))
  }
}

/// The header `Content-Range: bytes 100-199/1000`.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#name-content-range>
struct ContentRange {
  var start: Int
  /// `nil` if the server does not know it.
  var total: Int?

  init?(_ text: String) {
    let parts = text.split(separator: " ")
    guard parts.count == 2, parts[0] == "bytes" else { return nil }
    let range = parts[1].split(separator: "/")
    guard range.count == 2, let first = range[0].split(separator: "-").first,
      let start = Int(first)
    else { return nil }
    self.start = start
    self.total = Int(range[1])
  }
}
