import CGraftShims
import GraftFiles

/// The progress of a download.
package struct DownloadProgress: Sendable {
  /// The bytes received, including earlier attempts.
  package var receivedByteCount: Int
  /// `nil` if unknown to manifest and server.
  package var totalByteCount: Int?
  /// In this attempt.
  package var bytesPerSecond: Double
  /// `nil` if the total is unknown, or nothing has arrived yet.
  package var secondsLeft: Double? {
    guard let totalByteCount, bytesPerSecond > 0 else { return nil }
    return Double(max(0, totalByteCount - receivedByteCount)) / bytesPerSecond
  }
}

/// Downloads one file over HTTP into a partial file, continuing an earlier attempt.
package struct Download {
  /// The number of attempts, and the pauses between them.
  package struct Patience: Sendable {
    package var stallSeconds: Int
    package var connectSeconds: Int
    package var attemptCount: Int
    /// The pause doubles with each attempt.
    package var firstPauseMilliseconds: Int

    package init(
      stallSeconds: Int = 30, connectSeconds: Int = 30, attemptCount: Int = 5,
      firstPauseMilliseconds: Int = 500
    ) {
      self.stallSeconds = stallSeconds
      self.connectSeconds = connectSeconds
      self.attemptCount = attemptCount
      self.firstPauseMilliseconds = firstPauseMilliseconds
    }
  }

  let address: String
  /// The size of the whole file in bytes, if known.
  let size: Int?
  let partialFile: PartialFile
  var patience = Patience()

  /// - Throws: `GraftError` if the server refuses, or all attempts broke off. The partial file
  ///   keeps the bytes received.
  func run(progress: @escaping (DownloadProgress) -> Void) throws {
    guard Download.isInitialized else {
      throw GraftError(.unavailable, "libcurl cannot be initialized")
    }
    var pause = patience.firstPauseMilliseconds
    for attempt in 1... {
      if let size, partialFile.byteCount == size { return }
      let transfer = Transfer(file: partialFile, size: size, progress: progress)
      switch try perform(transfer) {
      case .done: return
      case .startOver: try partialFile.clear()
      case .interrupted(let reason):
        guard attempt < patience.attemptCount else {
          throw GraftError(
            .temporary,
            "the download failed \(attempt) times, the last time after "
              + "\(partialFile.byteCount) bytes: \(reason)",
            hint: "Pull again to continue from there"
          ).at(address)
        }
        usleep(UInt32(pause) * 1000)
        pause *= 2
      }
    }
  }

  private enum Outcome {
    case done
    /// The partial file is useless.
    case startOver
    case interrupted(String)
  }

  private func perform(_ transfer: Transfer) throws -> Outcome {
    let result = request(transfer)
    let status = result.http_status
    let message = withUnsafeBytes(of: result.message) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if let failure = transfer.failure { throw failure.at(address) }
    switch Int(result.outcome) {
    case GRAFT_CURL_INTERRUPTED: return .interrupted(message)
    case GRAFT_CURL_FAILED: throw GraftError(.unavailable, message, places: [address])
    default: break
    }
    switch status {
    case 200, 206:
      try transfer.finish(status: status)
      if transfer.mustStartOver { return .startOver }
      if let size, partialFile.byteCount < size {
        return .interrupted("the server sent too few bytes")
      }
      return .done
    case 416 where partialFile.byteCount > 0: return .startOver
    case 408, 429, 500...599: return .interrupted("the server answered with status \(status)")
    default:
      throw GraftError(.unavailable, "the server answered with status \(status)", places: [address])
    }
  }

  private func request(_ transfer: Transfer) -> graft_curl_result {
    var headers: [UnsafePointer<CChar>?] = partialFile.resumeHeaders.map {
      UnsafePointer(strdup($0))
    }
    defer { for header in headers { free(UnsafeMutablePointer(mutating: header)) } }
    return address.withCString { address in
      headers.withUnsafeMutableBufferPointer { headers in
        var request = graft_curl_request()
        request.address = address
        request.headers = UnsafePointer(headers.baseAddress)
        request.header_count = headers.count
        request.stall_seconds = patience.stallSeconds
        request.connect_seconds = patience.connectSeconds
        request.on_header = { context, line, byteCount in
          guard let context, let line else { return 1 }
          let bytes = UnsafeRawBufferPointer(start: line, count: byteCount)
          Transfer.at(context).receive(header: String(decoding: bytes, as: UTF8.self))
          return 0
        }
        request.on_data = { context, status, bytes, byteCount in
          guard let context else { return 1 }
          let piece = UnsafeRawBufferPointer(start: bytes, count: byteCount)
          return Transfer.at(context).receive(piece, status: status) ? 0 : 1
        }
        request.context = Unmanaged.passUnretained(transfer).toOpaque()
        defer { withExtendedLifetime(transfer) {} }
        return graft_curl_get(&request)
      }
    }
  }

  private static let isInitialized = graft_curl_initialize() == 0
}
